# SPDX-License-Identifier: Apache-2.0
"""A layer of GPT-2: Model Garden's block, with GPT-2's initial weights."""

import tf_keras
from official.nlp.modeling import layers


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

  def _end_initializer(self) -> tf_keras.initializers.Initializer:
    return tf_keras.initializers.TruncatedNormal(stddev=self._end_stddev)
