# SPDX-License-Identifier: Apache-2.0
"""Tests of rotary positions."""

import math

import numpy as np
import tensorflow as tf

from token_dropping.models.modernbert import rotary


def _rotated(states, positions, theta=100.0, dtype=tf.float32) -> np.ndarray:
  """Returns states [T, H] of one head, turned by positions [T]."""
  states = tf.cast(tf.constant(states)[tf.newaxis, :, tf.newaxis], dtype)
  found = rotary.rotate(states, tf.constant([positions]), theta)
  assert found.dtype == dtype
  return tf.cast(found, tf.float32).numpy()[0, :, 0]


def test_by_hand():
  # Numbers 0 and 2 are turned by the position, 1 and 3 by a tenth of it.
  found = _rotated([[1.0, 0.0, 0.0, 2.0]] * 2, [0, 5])
  sin, cos = math.sin, math.cos
  turned = [cos(5), -2 * sin(0.5), sin(5), 2 * cos(0.5)]
  np.testing.assert_allclose(found, [[1, 0, 0, 2], turned], rtol=1e-6)


def test_products_follow_the_distance():
  states = np.random.default_rng(0).normal(size=[2, 8]).astype(np.float32)
  near, far = (
    np.prod(_rotated(states, positions), axis=0).sum()
    for positions in ([3, 10], [1003, 1010])
  )
  assert abs(near - far) < 1e-3


def test_far_neighbours_differ_in_short_types_too():
  found = _rotated([[1.0, 0.0]] * 2, [8000, 8001], dtype=tf.bfloat16)
  wanted = [[math.cos(p), math.sin(p)] for p in (8000, 8001)]
  np.testing.assert_allclose(found, wanted, atol=4e-3)
