# SPDX-License-Identifier: Apache-2.0
"""ModernBERT whose easy tokens skip the middle layers in pretraining."""

import tf_keras

from token_dropping.common import errors
from token_dropping.models import dropping_encoder
from token_dropping.models.modernbert import network


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class ModernBertEncoder(dropping_encoder.DroppingEncoder, network.ModernBert):
  """`ModernBert` with token dropping.

  Inputs, outputs, weights and checkpoints are those of `ModernBert`. `kwargs`
  are the fields of `DroppingConfig`, such as `token_keep_ratio`, and those of
  `ModernBertSizes`. Kept tokens keep their positions, hence their rotation and
  who is near them.

  >>> encoder = ModernBertEncoder(
  ...   vocab_size=200, num_layers=4, hidden_size=8, num_attention_heads=2,
  ...   intermediate_size=16, local_attention=4, token_keep_ratio=0.5)
  >>> import numpy as np
  >>> ids = np.ones([2, 6], int)
  >>> outputs = encoder(
  ...   {"input_word_ids": ids, "masked_lm_positions": ids[:, :2]},
  ...   training=True)
  >>> outputs["kept_positions"].shape
  TensorShape([2, 3])
  """

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    check_drop_type(self.drop_plan.drop_type)


def check_drop_type(name: str) -> None:
  """Refuses means of neighbours, which are at no position of their own."""
  rule = "drop.type must be skip, context or layerwise in ModernBERT"
  errors.require(name != "pool", rule, name)
