# SPDX-License-Identifier: Apache-2.0
"""GPT-2 of which some tokens skip the middle layers in pretraining."""

import tf_keras

from token_dropping.models.causal import dropping_decoder
from token_dropping.models.gpt import network


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class GptDecoder(dropping_decoder.DroppingDecoder, network.Gpt):
  """`Gpt` with token dropping.

  >>> import tensorflow as tf
  >>> decoder = GptDecoder(
  ...   vocab_size=200, num_layers=4, hidden_size=8, num_attention_heads=2,
  ...   intermediate_size=16, token_keep_ratio=0.5)
  >>> ids = tf.ones([2, 6], tf.int32)
  >>> outputs = decoder({"input_word_ids": ids}, training=True)
  >>> outputs["kept_positions"].shape
  TensorShape([2, 3])
  """
