# SPDX-License-Identifier: Apache-2.0
"""Tests of the way back into the sequence."""

import numpy as np
import tensorflow as tf

from token_dropping.dropping import position_gather
from token_dropping.dropping import position_restore


def _restore(states, updates, positions):
  return position_restore.PositionRestore()(states, updates, positions)


def _column(values):
  return tf.constant(values, tf.float32)[..., tf.newaxis]


def test_updates_return_to_their_positions():
  restored = _restore(
    _column([[1, 2, 3, 4], [5, 6, 7, 8]]),
    _column([[20, 40], [50, 60]]),
    tf.constant([[1, 3], [0, 1]]),
  )
  np.testing.assert_array_equal(
    restored[..., 0], [[1, 20, 3, 40], [50, 60, 7, 8]]
  )


def test_restore_undoes_gather():
  states = tf.random.stateless_normal([3, 7, 4], seed=[0, 1])
  positions = tf.constant([[0, 3, 6], [1, 2, 3], [4, 5, 6]])
  gathered = position_gather.PositionGather()(states, positions)
  np.testing.assert_array_equal(_restore(states, gathered, positions), states)


def test_gradient_goes_where_the_value_came_from():
  states, updates = _column([[1, 2, 3]]), _column([[10]])
  with tf.GradientTape() as tape:
    tape.watch([states, updates])
    restored = _restore(states, updates, tf.constant([[1]]))
    loss = tf.reduce_sum(restored * _column([[5, 6, 7]]))
  to_states, to_updates = tape.gradient(loss, [states, updates])
  np.testing.assert_array_equal(to_states[..., 0], [[5, 0, 7]])
  np.testing.assert_array_equal(to_updates[..., 0], [[6]])


def test_repeated_position_receives_its_gradient_once():
  updates = _column([[10, 10, 20]])
  with tf.GradientTape() as tape:
    tape.watch(updates)
    restored = _restore(_column([[1, 2, 3]]), updates, tf.constant([[0, 0, 2]]))
    loss = tf.reduce_sum(restored)
  np.testing.assert_array_equal(restored[..., 0], [[10, 2, 20]])
  gradient = tape.gradient(loss, updates)[0, :, 0]
  assert gradient[0] + gradient[1] == 1 and gradient[2] == 1


def test_compiles_with_xla():
  layer = position_restore.PositionRestore()
  states = tf.random.stateless_normal([2, 5, 3], seed=[0, 1])
  updates = tf.random.stateless_normal([2, 2, 3], seed=[0, 2])
  positions = tf.constant([[0, 4], [1, 2]])
  compiled = tf.function(layer, jit_compile=True)
  np.testing.assert_array_equal(
    layer(states, updates, positions), compiled(states, updates, positions)
  )


def test_mixed_precision_moves_states_unchanged():
  gather = position_gather.PositionGather(dtype="mixed_bfloat16")
  restore = position_restore.PositionRestore(dtype="mixed_bfloat16")
  states, positions = _column([[1.001, 2.001]]), tf.constant([[1]])
  updates = gather(states, positions)
  np.testing.assert_array_equal(restore(states, updates, positions), states)


def test_short_states_take_the_type_of_the_updates():
  states = tf.cast(_column([[1, 2]]), tf.bfloat16)
  restored = _restore(states, _column([[2.001]]), tf.constant([[1]]))
  assert restored.dtype == tf.float32
  np.testing.assert_allclose(restored[0, :, 0], [1, 2.001])
