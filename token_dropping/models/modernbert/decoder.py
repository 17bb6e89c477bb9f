# SPDX-License-Identifier: Apache-2.0
"""ModernBERT as a decoder (Weller et al., "Seq vs Seq", arXiv 2507.11412).

Its layers, in which no token sees one after it, and its masked-LM head at every
position; `transformers` calls it `ModernBertDecoder`.
"""

import tensorflow as tf
import tf_keras

from token_dropping.models.causal import dropping_decoder
from token_dropping.models.modernbert import masked_lm
from token_dropping.models.modernbert import network


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class CausalModernBert(network.ModernBert):
  """`ModernBert`, in which a token sees itself and those before it."""

  is_causal = True


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class ModernBertDecoder(dropping_decoder.DroppingDecoder, CausalModernBert):
  """`CausalModernBert` with token dropping.

  >>> decoder = ModernBertDecoder(
  ...   vocab_size=200, num_layers=4, hidden_size=8, num_attention_heads=2,
  ...   intermediate_size=16, local_attention=4, token_keep_ratio=0.5)
  >>> ids = tf.ones([2, 6], tf.int32)
  >>> outputs = decoder({"input_word_ids": ids}, training=True)
  >>> outputs["kept_positions"].shape
  TensorShape([2, 3])
  """


class LanguageModelHead(masked_lm.ModernBertMaskedLM):
  """The masked-LM head, of states [B, T, D]: it returns logits [B, T, V]."""

  def call(self, states: tf.Tensor) -> tf.Tensor:
    states = self.layer_norm(self.dense(states))
    table = tf.cast(self.embedding_table, states.dtype)
    return tf.matmul(states, table, transpose_b=True) + self.bias
