# SPDX-License-Identifier: Apache-2.0
"""The exact GELU. Model Garden's `gelu` is the tanh form, and has no other."""

import tensorflow as tf
import tf_keras

EXACT_GELU = "gelu_exact"


def gelu_exact(x: tf.Tensor) -> tf.Tensor:
  """Returns `x * P(N <= x)` for a standard normal N (Hendrycks and Gimpel).

  Weights from elsewhere, such as Hugging Face's, may be trained with it.

  >>> float(gelu_exact(tf.constant(1.0)))  # doctest: +ELLIPSIS
  0.8413...
  """
  return tf.nn.gelu(x, approximate=False)


# The name by which Keras, hence Model Garden's `get_activation`, finds it.
tf_keras.utils.get_custom_objects()[EXACT_GELU] = gelu_exact
