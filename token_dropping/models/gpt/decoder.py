# SPDX-License-Identifier: Apache-2.0
"""GPT-2 of which some tokens skip the middle layers in pretraining."""

import tensorflow as tf
import tf_keras

from token_dropping.dropping import config as dropping_config
from token_dropping.models import dropping_encoder
from token_dropping.models.causal import causal_drops
from token_dropping.models.gpt import network


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class GptDecoder(dropping_encoder.DroppingEncoder, network.Gpt):
  """`Gpt` with token dropping.

  Inputs, outputs, weights and checkpoints are those of `Gpt`. `kwargs` are the
  fields of `CausalDroppingConfig`, such as `token_keep_ratio`, and those of
  `GptSizes`. Kept tokens keep their positions, hence who comes before them.
  Every call of training drops. Its last layer has queries at `loss_positions`,
  int [B, R], ascending, where they are among the inputs, else everywhere.

  >>> decoder = GptDecoder(
  ...   vocab_size=200, num_layers=4, hidden_size=8, num_attention_heads=2,
  ...   intermediate_size=16, token_keep_ratio=0.5)
  >>> ids = tf.ones([2, 6], tf.int32)
  >>> outputs = decoder({"input_word_ids": ids}, training=True)
  >>> outputs["kept_positions"].shape
  TensorShape([2, 3])
  """

  _config_class = dropping_config.CausalDroppingConfig

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    causal_drops.check(self.drop_plan.drop_type)

  def _is_pretraining(self, inputs: dict) -> bool:
    return True

  def _read(self, inputs: dict, length: int | None) -> tf.Tensor | None:
    del length
    return inputs.get("loss_positions")
