# SPDX-License-Identifier: Apache-2.0
"""GELU, in both forms, of which the gradient keeps the input alone.

TensorFlow's keeps what the forward pass computed on the way, in float32. Here
the gradient computes it again, and from another formula: where the two are the
same, XLA computes them once and keeps the result.
"""

import math
from collections.abc import Callable

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

EXACT_GELU = "gelu_exact"
_SLOPE, _CUBE = math.sqrt(2 / math.pi), 0.044715


@tf_keras.utils.register_keras_serializable(package="token_dropping")
def gelu(x: tf.Tensor) -> tf.Tensor:
  """Returns the tanh form of GELU (Hendrycks and Gimpel, section 2).

  That is Model Garden's `gelu`. The result has the shape and type of `x`.
  """

  def slope(y: tf.Tensor) -> tf.Tensor:
    inner = _SLOPE * (y + _CUBE * y * y * y)
    tanh = 2.0 * tf.sigmoid(2.0 * inner) - 1.0
    of_inner = _SLOPE * (1.0 + 3.0 * _CUBE * y * y)
    return 0.5 * (1.0 + tanh + y * (1.0 - tanh * tanh) * of_inner)

  return _with_slope(x, tf.nn.gelu(x, approximate=True), slope)


def gelu_exact(x: tf.Tensor) -> tf.Tensor:
  """Returns `x * P(N <= x)` for a standard normal N (Hendrycks and Gimpel).

  Weights from elsewhere, such as Hugging Face's, may be trained with it. Model
  Garden has the tanh form alone. The result has the shape and type of `x`.

  >>> float(gelu_exact(tf.constant(1.0)))  # doctest: +ELLIPSIS
  0.8413...
  """

  def slope(y: tf.Tensor) -> tf.Tensor:
    share = 0.5 * tf.math.erfc(-math.sqrt(0.5) * y)
    return share + y * tf.exp(-0.5 * y * y) / math.sqrt(2 * math.pi)

  return _with_slope(x, tf.nn.gelu(x, approximate=False), slope)


# The name by which Keras, hence Model Garden's `get_activation`, finds it.
tf_keras.utils.get_custom_objects()[EXACT_GELU] = gelu_exact


def get(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
  """Returns the activation of the feed-forward layers that a config names."""
  return gelu if name == "gelu" else tf_utils.get_activation(name)


def _with_slope(x: tf.Tensor, values: tf.Tensor, slope: Callable) -> tf.Tensor:
  """Returns the values of a function at `x`, whose slope is float32."""

  @tf.custom_gradient
  def function(x: tf.Tensor):
    def gradient(upstream: tf.Tensor) -> tf.Tensor:
      of_x = slope(tf.cast(x, tf.float32))
      return tf.cast(tf.cast(upstream, tf.float32) * of_x, x.dtype)

    return tf.stop_gradient(values), gradient

  return function(x)
