# SPDX-License-Identifier: Apache-2.0
"""What a record of a language model from left to right must be."""

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.data.batches import causal_data
from token_dropping.data.batches import record_rules

# What records of masked language models hold.
_OF_MASKS = ("input_mask", "word_starts", "masked_lm_positions")


class CausalRules(record_rules.BatchRules):
  """All rules of a config of causal data, whose dotted path is for messages.

  `encoder` is the config of the network: its vocabulary bounds the ids.
  """

  def __init__(self, data: causal_data.CausalDataConfig, encoder, path: str):
    vocab_size = encoder.vocab_size
    features = causal_data.record_features(data)
    rules = [
      record_rules.id_rule("input_word_ids", vocab_size),
      record_rules.ValueRule(
        "input_word_ids",
        "must be 0, the padding, from the first 0 on.",
        _is_after_padding,
      ),
    ]
    names = {name: name for name in features}
    super().__init__(data, path, vocab_size, features, names, rules)

  def _check_form(self, stored, where: str) -> None:
    masks = [name for name in _OF_MASKS if name in stored]
    errors.require(
      not masks,
      f"{self.path}: records must be those of --objective=causal_lm, which "
      "hold input_word_ids alone",
      f"{', '.join(masks)} in {where}",
    )


def _is_after_padding(ids: tf.Tensor) -> tf.Tensor:
  return record_rules.rises(tf.cast(ids != 0, tf.int32))
