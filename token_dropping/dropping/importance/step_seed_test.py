# SPDX-License-Identifier: Apache-2.0
"""Tests of seeds that follow the step."""

import tensorflow as tf

from tests import testing
from token_dropping.dropping.importance import step_seed


def _at(step: int = 3, seed: int = 1, place: int = 0) -> tuple[int, ...]:
  seeds = step_seed.StepSeed(tf.Variable(step, dtype=tf.int64), seed)
  return tuple(seeds.at(place).numpy().tolist())


def test_step_seed_and_place_make_the_seed():
  seeds = [_at(), _at(step=4), _at(seed=2), _at(place=1), _at(place=-1)]
  assert _at() == seeds[0]
  assert len(set(seeds)) == len(seeds)


def test_replicas_have_seeds_of_their_own():
  strategy = testing.mirrored(2)
  with strategy.scope():
    step = tf.Variable(3, dtype=tf.int64)
  seeds = step_seed.StepSeed(step, seed=1)
  found = tf.function(lambda: strategy.run(seeds.at, args=(0,)))()
  first, second = strategy.experimental_local_results(found)
  assert (first != second).numpy().any()
  assert tuple(first.numpy()) == _at()
