# SPDX-License-Identifier: Apache-2.0
"""Which rules the records of a data config of pretraining must keep."""

from official.core import config_definitions as cfg

from token_dropping.data.batches import causal_data
from token_dropping.data.batches import causal_rules
from token_dropping.data.batches import pair_data
from token_dropping.data.batches import pair_rules
from token_dropping.data.batches import record_rules

_RULES = {
  causal_data.CausalDataConfig: causal_rules.CausalRules,
  pair_data.PairDataConfig: pair_rules.PairRules,
}


def of(data: cfg.DataConfig, encoder, path: str) -> record_rules.BatchRules:
  """Returns the rules of a data config, whose dotted path is for messages.

  `encoder` is the config of the network, which bounds the ids.
  """
  rules = _RULES.get(type(data), record_rules.RecordRules)
  return rules(data, encoder, path)
