# SPDX-License-Identifier: Apache-2.0
"""Tests of rows that all sequences share: sum and gradients."""

import numpy as np
import tensorflow as tf

from token_dropping.models import shared_rows


def test_sum_and_gradients_are_those_of_broadcasting():
  states = tf.random.stateless_normal([3, 4, 5], [0, 1])
  rows = tf.random.stateless_normal([1, 4, 5], [0, 2])
  upstream = tf.random.stateless_normal([3, 4, 5], [0, 3])
  with tf.GradientTape() as tape:
    tape.watch([states, rows])
    total = shared_rows.add(states, rows)
  found = tape.gradient(total, [states, rows], upstream)
  np.testing.assert_array_equal(total, states + rows)
  np.testing.assert_array_equal(found[0], upstream)
  expected = tf.reduce_sum(upstream, 0, keepdims=True)
  np.testing.assert_allclose(found[1], expected, atol=1e-6)
