# SPDX-License-Identifier: Apache-2.0
"""Tests of tokens that are chosen, taken out and put back."""

import numpy as np
import pytest
import tensorflow as tf

from token_dropping.dropping import tokens as tokens_lib


def _column(values):
  return tf.constant(values, tf.float32)[..., tf.newaxis]


def test_all_that_is_known_is_gathered():
  states = tf.reshape(tf.range(12), [2, 3, 2])
  mask = tf.constant([[1, 1, 0]] * 2)
  known = tokens_lib.Tokens.of_sequence(states, ids=states[..., 0], mask=mask)
  some = known.gather(tf.constant([[0, 2], [1, 2]]))
  expected = [[[0, 1], [4, 5]], [[8, 9], [10, 11]]]
  np.testing.assert_array_equal(some.states, expected)
  np.testing.assert_array_equal(some.positions, [[0, 2], [1, 2]])
  np.testing.assert_array_equal(some.ids, [[0, 4], [8, 10]])
  np.testing.assert_array_equal(some.mask, [[1, 0], [1, 0]])
  assert some.documents is None
  again = some.gather(tf.constant([[1], [0]]))
  np.testing.assert_array_equal(again.positions, [[2], [1]])


def test_updates_return_to_their_places():
  restored = tokens_lib.restore(
    _column([[1, 2, 3, 4], [5, 6, 7, 8]]),
    _column([[20, 40], [50, 60]]),
    tf.constant([[1, 3], [0, 1]]),
  )
  np.testing.assert_array_equal(
    restored[..., 0], [[1, 20, 3, 40], [50, 60, 7, 8]]
  )


def test_gradient_goes_where_the_value_came_from():
  states, updates = _column([[1, 2, 3]]), _column([[10]])
  with tf.GradientTape() as tape:
    tape.watch([states, updates])
    restored = tokens_lib.restore(states, updates, tf.constant([[1]]))
    loss = tf.reduce_sum(restored * _column([[5, 6, 7]]))
  to_states, to_updates = tape.gradient(loss, [states, updates])
  np.testing.assert_array_equal(to_states[..., 0], [[5, 0, 7]])
  np.testing.assert_array_equal(to_updates[..., 0], [[6]])


def test_repeated_place_receives_its_gradient_once():
  updates, places = _column([[10, 10, 20]]), tf.constant([[0, 0, 2]])
  with tf.GradientTape() as tape:
    tape.watch(updates)
    restored = tokens_lib.restore(_column([[1, 2, 3]]), updates, places)
    loss = tf.reduce_sum(restored)
  np.testing.assert_array_equal(restored[..., 0], [[10, 2, 20]])
  gradient = tape.gradient(loss, updates)[0, :, 0]
  assert gradient[0] + gradient[1] == 1 and gradient[2] == 1


def test_short_states_take_the_type_of_the_updates():
  states = tf.cast(_column([[1, 2]]), tf.bfloat16)
  restored = tokens_lib.restore(states, _column([[2.001]]), tf.constant([[1]]))
  assert restored.dtype == tf.float32
  np.testing.assert_allclose(restored[0, :, 0], [1, 2.001])


@pytest.mark.parametrize(
  ("scores", "keep", "kept"),
  [
    ([[1.0, 9.0, 5.0, 7.0], [4.0, 3.0, 2.0, 1.0]], 2, [[1, 3], [0, 1]]),
    ([[5.0, 5.0, 5.0, 5.0]], 3, [[0, 1, 2]]),  # equal ones: the earlier
    ([[3.0, 1.0, 2.0]], 3, [[0, 1, 2]]),
  ],
)
def test_highest_scores_stay_in_ascending_order(scores, keep, kept):
  assert tokens_lib.select(tf.constant(scores), keep).numpy().tolist() == kept


def test_padding_is_kept_only_when_all_real_tokens_are():
  # Padding has the highest score, a denied token the lowest.
  scores = tf.constant([[-1e4, 2.0, 1e4, 1e4]])
  mask = tf.constant([[1, 1, 0, 0]])
  assert tokens_lib.select(scores, 2, mask).numpy().tolist() == [[0, 1]]
  assert tokens_lib.select(scores, 3, mask).numpy().tolist() == [[0, 1, 2]]


def test_compiles_to_the_same_with_xla():
  scores = tf.random.stateless_uniform([8, 64], seed=[1, 2])
  states = tf.random.stateless_normal([8, 64, 3], seed=[0, 1])

  def middle(scores, states):
    places = tokens_lib.select(scores, keep=16)
    some = tf.gather(states, places, batch_dims=1)
    return places, tokens_lib.restore(states, -some, places)

  compiled = tf.function(middle, jit_compile=True)(scores, states)
  for found, wanted in zip(compiled, middle(scores, states), strict=True):
    np.testing.assert_array_equal(found, wanted)
