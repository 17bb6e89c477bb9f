# SPDX-License-Identifier: Apache-2.0
"""ModernBERT's masked-LM head."""

import tensorflow as tf
import tf_keras
from official.nlp.modeling import layers


class ModernBertMaskedLM(layers.MaskedLM):
  """Model Garden's `MaskedLM` with other weights: no bias but that of V.

  `kwargs` are the arguments of `MaskedLM`. Called with states [B, S, D] and
  `masked_positions` [B, P] it returns logits [B, P, V].
  """

  def __init__(self, embedding_table: tf.Variable, norm_eps: float, **kwargs):
    super().__init__(embedding_table, **kwargs)
    self._norm_eps = norm_eps

  def build(self, input_shape):
    self._vocab_size, width = self.embedding_table.shape
    self.dense = tf_keras.layers.Dense(
      width,
      activation=self.activation,
      use_bias=False,
      kernel_initializer=self.initializer,
      name="transform/dense",
    )
    self.layer_norm = tf_keras.layers.LayerNormalization(
      epsilon=self._norm_eps, center=False, name="transform/LayerNorm"
    )
    self.bias = self.add_weight(
      "output_bias/bias", [self._vocab_size], initializer="zeros"
    )
    self.built = True
