# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of pretraining a causal language model."""

import dataclasses

from official.core import config_definitions as cfg
from official.modeling.hyperparams import base_config
from official.nlp.configs import encoders

from token_dropping.data.batches import causal_data
from token_dropping.tasks.pretraining import config as pretraining

LOSS_POSITIONS = ("all", "random")


@dataclasses.dataclass
class LossPositionsConfig(base_config.Config):
  """Where the loss of training is: only there its last layer has queries.

  Attributes:
    type: `all`, or `random`, drawn anew in each step.
    ratio: share of the positions, of random ones.
  """

  type: str = "all"
  ratio: float = 0.5

  def count(self, seq_length: int) -> int:
    """Returns at how many positions of a sequence the loss is.

    >>> LossPositionsConfig(type="random", ratio=0.25).count(1024)
    256
    """
    if self.type == "all":
      return seq_length
    return max(1, round(self.ratio * seq_length))


@dataclasses.dataclass
class CausalModelConfig(base_config.Config):
  """The network; its output is tied, so that a head has no fields."""

  encoder: encoders.EncoderConfig = dataclasses.field(
    default_factory=encoders.EncoderConfig
  )


@dataclasses.dataclass
class CausalLMConfig(pretraining.PretrainingConfig, cfg.TaskConfig):
  """A network that predicts the next token, and its data."""

  model: CausalModelConfig = dataclasses.field(
    default_factory=CausalModelConfig
  )
  train_data: causal_data.CausalDataConfig = dataclasses.field(
    default_factory=causal_data.CausalDataConfig
  )
  validation_data: causal_data.CausalDataConfig = dataclasses.field(
    default_factory=causal_data.CausalDataConfig
  )
  loss_positions: LossPositionsConfig = dataclasses.field(
    default_factory=LossPositionsConfig
  )
