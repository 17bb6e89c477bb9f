# SPDX-License-Identifier: Apache-2.0
"""Rotary positions (Su et al., "RoFormer", arXiv 2104.09864, section 3.2).

As in ModernBERT, the two numbers that are turned together stand half a head
apart.
"""

import numpy as np
import tensorflow as tf


def rotate(states: tf.Tensor, positions: tf.Tensor, theta: float) -> tf.Tensor:
  """Returns queries or keys [B, T, N, H], turned by their positions [B, T].

  Numbers i and i + H / 2 of a head are turned by an angle of
  `position * theta ** (-2 i / H)`. Angles are float32 whatever the states are:
  bfloat16 has no room for a position above 256.
  """
  half = states.shape[-1] // 2
  speeds = (theta ** (-np.arange(half) / half)).astype(np.float32)
  # [B, T, 1, H / 2]: all heads alike
  angles = tf.cast(positions, tf.float32)[:, :, tf.newaxis, tf.newaxis] * speeds
  cos, sin = tf.cos(angles), tf.sin(angles)
  first, second = tf.split(tf.cast(states, tf.float32), 2, axis=-1)
  turned = [first * cos - second * sin, second * cos + first * sin]
  return tf.cast(tf.concat(turned, axis=-1), states.dtype)
