# SPDX-License-Identifier: Apache-2.0
"""A layer of GPT-2: Model Garden's block, with GPT-2's initial weights."""

import tensorflow as tf
import tf_keras
from official.nlp.modeling import layers

from token_dropping.models.causal import key_value_cache


class Block(layers.TransformerEncoderBlock):
  """Model Garden's `TransformerEncoderBlock` that normalizes first.

  The two matrices that add to the states begin with deviation `end_stddev`, the
  others with `stddev` (Radford et al., "Language Models are Unsupervised
  Multitask Learners", 2019, section 2.3). `kwargs` are further arguments of
  Model Garden's block.
  """

  def __init__(self, *args, stddev: float, end_stddev: float, **kwargs):
    initializer = tf_keras.initializers.TruncatedNormal(stddev=stddev)
    super().__init__(
      *args, norm_first=True, kernel_initializer=initializer, **kwargs
    )
    self._end_stddev = end_stddev

  def build(self, input_shape):
    super().build(input_shape)
    self._output_dense.kernel_initializer = self._end_initializer()
    attention = self._attention_layer
    make_output = attention._make_output_dense

    def make(free_dims, common, name=None):
      end = {"kernel_initializer": self._end_initializer()}
      return make_output(free_dims, common | end, name)

    attention._make_output_dense = make  # Keras has one initializer for all

  def read_on(
    self, states: tf.Tensor, positions: tf.Tensor, held: key_value_cache.Held
  ) -> tuple[tf.Tensor, key_value_cache.Held]:
    """Returns the states of new tokens [B, Q, D], and what is then held.

    See `key_value_cache`.
    """
    attention = self._attention_layer
    normed = self._attention_layer_norm(states)
    denses = (
      attention._query_dense,
      attention._key_dense,
      attention._value_dense,
    )
    new = [dense(normed) for dense in denses]
    attended, held = key_value_cache.attend(*new, positions, held)
    states += attention._output_dense(attended)
    inner = self._intermediate_dense(self._output_layer_norm(states))
    inner = self._intermediate_activation_layer(inner)
    return states + self._output_dense(inner), held

  def _end_initializer(self) -> tf_keras.initializers.Initializer:
    return tf_keras.initializers.TruncatedNormal(stddev=self._end_stddev)
