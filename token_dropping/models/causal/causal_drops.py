# SPDX-License-Identifier: Apache-2.0
"""Which drop types a causal network can have."""

from token_dropping.common import errors
from token_dropping.dropping import config as dropping_config


def check(name: str) -> None:
  """Refuses means of neighbours, which would show what comes after."""
  rule = "drop.type must be skip, context or layerwise in a causal network"
  errors.require(name != "pool", rule, name)


def check_config(config: dropping_config.CausalDroppingConfig) -> None:
  """Refuses what the config of a causal language model cannot say."""
  check(config.drop.type)
  rule = "vocab_file must be unset: the tokenizer has no special words"
  errors.require(not config.vocab_file, rule, repr(config.vocab_file))
