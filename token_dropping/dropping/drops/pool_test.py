# SPDX-License-Identifier: Apache-2.0
"""Tests of pooled neighbours."""

import numpy as np
import pytest
import tensorflow as tf

from tests import drops_testing
from tests import testing
from token_dropping.dropping.drops import pool

MASK = tf.constant([[1] * 8, [1] * 2 + [0] * 6])
# [CLS], pairs, and a last group of three.
STATES = tf.constant([[0, 1, 3, 2, 4, 10, 20, 60]] * 2, tf.float32)
MEANS = [[0, 2, 3, 30], [0, 1, 0, 0]]


def _plan(**fields):
  return drops_testing.make_plan(12, drop={"type": "pool"}, **fields)


def test_means_of_real_tokens_by_hand():
  groups = pool.Neighbours(8, 4)
  means, mask = groups.mean(STATES[..., tf.newaxis], MASK)
  assert means[..., 0].numpy().tolist() == MEANS
  assert mask.numpy().tolist() == [[1] * 4, [1, 1, 0, 0]]
  means, mask = groups.mean(STATES[..., tf.newaxis], None)
  assert means[..., 0].numpy().tolist() == [MEANS[0]] * 2
  assert mask is None


def test_repeating_by_hand():
  groups = pool.Neighbours(8, 4)
  repeated = groups.repeat(tf.constant(MEANS, tf.float32)[..., tf.newaxis])
  assert repeated[0, :, 0].numpy().tolist() == [0, 2, 2, 3, 3, 30, 30, 30]
  assert groups.first(tf.constant([range(8)])).numpy().tolist() == [
    [0, 1, 3, 5]
  ]


@pytest.mark.parametrize(
  ("ratio", "length", "count"),
  [(0.5, 512, 256), (0.25, 512, 128), (0.5, 9, 5), (0.125, 4, 2), (0.5, 1, 1)],
)
def test_number_of_groups(ratio, length, count):
  assert _plan(token_keep_ratio=ratio).keep_counts(length) == (count,)


def test_groups_of_groups_are_those_of_the_whole():
  stages = [{"layer": 3, "keep_ratio": 0.5}, {"layer": 5, "keep_ratio": 0.25}]
  for length in (9, 30, 512):
    half, quarter = _plan(stages=stages).keep_counts(length)
    numbers = tf.range(quarter, dtype=tf.float32)[tf.newaxis, :, tf.newaxis]
    twice = pool.Neighbours(length, half).repeat(
      pool.Neighbours(half, quarter).repeat(numbers)
    )
    assert twice.shape[1] == length
    assert (np.diff(twice[0, :, 0]) >= 0).all()


POWERS = "must be 1, 1/2, 1/4, 1/8 ... where drop.type is pool. Received:"


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"token_keep_ratio": 0.3}, f"token_keep_ratio {POWERS} 0.3"),
    (
      {"stages": [{"layer": 3, "keep_ratio": 0.75}]},
      f"stages[0].keep_ratio {POWERS} 0.75",
    ),
    (
      {"token_keep_k": 5},
      "token_keep_k must be unset where drop.type is pool, which needs "
      "token_keep_ratio. Received: 5",
    ),
  ],
)
def test_other_shares_are_refused(fields, message):
  assert testing.refused(_plan, **fields) == message


def test_a_schedule_of_other_shares_is_refused():
  assert _plan().with_ratios([1.0]).keep_counts(64) == (64,)
  with pytest.raises(ValueError, match="keep_ratios must be 1, 1/2, .*: 0.75"):
    _plan().with_ratios([0.75])
