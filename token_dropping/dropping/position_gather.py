# SPDX-License-Identifier: Apache-2.0
"""Reads the states at some positions of a sequence."""

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class PositionGather(tf_keras.layers.Layer):
  """Gathers along the sequence axis: [B, S, ...] at [B, K] -> [B, K, ...].

  Example:

  >>> states = tf.constant([[10, 20, 30]])
  >>> PositionGather()(states, tf.constant([[0, 2]])).numpy().tolist()
  [[10, 30]]
  """

  def __init__(self, **kwargs):
    # Mixed precision must not round states that are only moved.
    super().__init__(**{**kwargs, "autocast": False})

  def call(self, states: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """Gathers.

    Args:
      states: tensor [B, S, ...].
      positions: int tensor [B, K] with values in [0, S).

    Returns:
      tensor [B, K, ...].
    """
    return tf.gather(states, positions, batch_dims=1)
