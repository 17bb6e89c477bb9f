# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of pretraining a causal language model."""

import dataclasses

from official.core import config_definitions as cfg
from official.modeling.hyperparams import base_config

from token_dropping.data.batches import causal_data
from token_dropping.dropping import drop_plan
from token_dropping.tasks.pretraining import config as pretraining

LOSS_POSITIONS = ALL, RANDOM, KEPT = "all", "random", "kept"


@dataclasses.dataclass
class LossPositionsConfig(base_config.Config):
  """Where the loss of training is: only there its last layer has queries.

  Attributes:
    type: `all`; `random`, drawn anew in each step; or `kept`, those of the
      tokens that skip no layer.
    ratio: share of the positions, of random ones.
  """

  type: str = ALL
  ratio: float = 0.5


@dataclasses.dataclass
class CausalLMConfig(pretraining.PretrainingConfig, cfg.TaskConfig):
  """A network that predicts the next token, and its data."""

  model: pretraining.TiedModelConfig = dataclasses.field(
    default_factory=pretraining.TiedModelConfig
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

  @property
  def training_plan(self) -> drop_plan.DropPlan:
    reads_kept = self.loss_positions.type == KEPT
    return dataclasses.replace(super().training_plan, reads_kept=reads_kept)

  def loss_count(self, seq_length: int) -> int:
    """Returns at how many positions of a sequence the loss of training is.

    >>> half = {"type": "random", "ratio": 0.5}
    >>> CausalLMConfig(loss_positions=half).loss_count(1024)
    512
    """
    where = self.loss_positions
    if where.type == RANDOM:
      return max(1, round(where.ratio * seq_length))
    if where.type == KEPT:
      return self.training_plan.keep_counts(seq_length)[-1]
    return seq_length
