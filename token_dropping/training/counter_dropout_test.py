# SPDX-License-Identifier: Apache-2.0
"""Tests of dropout by a hash: its numbers, its statistics, its gradient."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from token_dropping.dropping.importance import step_seed
from token_dropping.training import counter_dropout

SHAPE = [64, 128, 128]
NUMBER = 64 * 128 * 128
# A share of so many throws is within five deviations of its mean.
TOLERANCE = 5.0 * 0.5 / np.sqrt(NUMBER)


def _kept(place: int = 0, step: int = 0, rate: float = 0.5) -> np.ndarray:
  """Returns which of `SHAPE` a layer keeps at a step."""
  seed = step_seed.StepSeed(tf.Variable(step), seed=1).at(place)
  kept = counter_dropout.dropout(tf.ones(SHAPE), rate, seed)
  return kept.numpy() > 0


def _hash(bits: int, key: int = 0) -> int:
  """The same in Python's whole numbers."""
  for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
    bits = ((bits ^ bits >> shift) * factor + key) % 2**32
  return bits ^ bits >> 16


def test_numbers_are_a_hash_of_place_and_seed():
  one, two = 2**32 - 7, 5
  found = counter_dropout.random_bits([2, 3, 4], tf.constant([-7, 5]))
  start = _hash((_hash(one) + two) % 2**32)
  key = _hash((start + one) % 2**32)
  expected = [_hash((start + i) % 2**32, key) for i in range(24)]
  assert list(found.numpy().ravel()) == expected


def test_sizes_that_are_known_late_change_nothing():
  seed, states = tf.constant([3, 4]), tf.ones([3, 4, 5])
  late = tf.function(
    lambda x: counter_dropout.dropout(x, 0.3, seed),
    input_signature=[tf.TensorSpec([None, None, 5])],
  )
  expected = counter_dropout.dropout(states, 0.3, seed)
  np.testing.assert_array_equal(late(states), expected)


def test_one_number_for_an_axis():
  states = tf.ones([8, 50, 4])
  found = counter_dropout.dropout(states, 0.5, tf.constant([3, 4]), [8, 1, 4])
  np.testing.assert_array_equal(found, found[:, :1] * states)
  assert set(np.unique(found)) == {0.0, 2.0}


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_rate_is_kept(rate):
  assert _kept(rate=rate).mean() == pytest.approx(1 - rate, abs=TOLERANCE)


def _agreements():
  """Yields pairs of draws that have nothing to do with each other."""
  kept = _kept()
  for axis, distance in itertools.product(range(3), (1, 2, 32)):
    yield f"positions {axis} {distance}", kept, np.roll(kept, distance, axis)
  for number in (1, 2, 12):
    yield f"layer {number}", kept, _kept(place=number)
    yield f"step {number}", kept, _kept(step=number)


def test_positions_layers_and_steps_are_independent():
  for name, one, other in _agreements():
    assert np.mean(one == other) == pytest.approx(0.5, abs=TOLERANCE), name


def test_every_place_drops_as_often_as_others():
  """Over steps: sums by place are as those of throws of a coin."""
  steps = 64
  sums = sum(_kept(step=step).astype(int) for step in range(steps))
  assert sums.var() == pytest.approx(steps / 4, rel=0.01)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_the_gradient_has_the_mask(dtype):
  states = tf.ones([5, 6], dtype)
  with tf.GradientTape() as tape:
    tape.watch(states)
    dropped = counter_dropout.dropout(states, 0.25, tf.constant([1, 2]))
  gradient = tape.gradient(dropped, states, 3.0 * tf.ones_like(states))
  assert gradient.dtype == dropped.dtype == dtype
  np.testing.assert_allclose(gradient, 3.0 * dropped, rtol=1e-2)
