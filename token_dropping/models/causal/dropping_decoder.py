# SPDX-License-Identifier: Apache-2.0
"""What makes of a causal network one whose tokens skip layers."""

import tensorflow as tf

from token_dropping.dropping import config as dropping_config
from token_dropping.models import dropping_encoder


class DroppingDecoder(dropping_encoder.DroppingEncoder):
  """A causal network that drops; the class of the network is its next base.

  Inputs, outputs, weights and checkpoints are those of the network. `kwargs`
  are the fields of `CausalDroppingConfig`, such as `token_keep_ratio`, and
  those of the network. Kept tokens keep their positions, hence who comes before
  them. Every call of training drops. Its last layer has queries at
  `loss_positions`, int [B, R], ascending, where they are among the inputs, else
  everywhere.
  """

  _config_class = dropping_config.CausalDroppingConfig

  def _is_pretraining(self, inputs: dict) -> bool:
    return True

  def _read(self, inputs: dict, length: int | None) -> tf.Tensor | None:
    del length
    return inputs.get("loss_positions")
