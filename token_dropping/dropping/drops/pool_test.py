# SPDX-License-Identifier: Apache-2.0
"""Tests of pooled neighbours."""

import numpy as np
import pytest
import tensorflow as tf

from tests import drops_testing
from token_dropping.dropping.drops import pool

MASK = tf.constant([[1] * 8, [1] * 2 + [0] * 6])
# [CLS], pairs, and a last group of three.
STATES = tf.constant([[0, 1, 3, 2, 4, 10, 20, 60]] * 2, tf.float32)
MEANS = [[0, 2, 3, 30], [0, 1, 0, 0]]


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
  assert groups.first(tf.range(8)[tf.newaxis]).numpy().tolist() == [
    [0, 1, 3, 5]
  ]


def _two_layers(inputs: dict):
  """Pools in layers 1 and 2; returns outputs and what they should be."""
  encoder = drops_testing.make_encoder("pool")
  outputs = encoder(inputs, training=True)
  first = outputs["encoder_outputs"][0]
  groups = pool.Neighbours(drops_testing.S, drops_testing.S // 2)
  layers, mask = encoder.transformer_layers, inputs["input_mask"]
  means, pooled_mask = groups.mean(first, mask)
  one = layers[1]([means, first, drops_testing.row(mask)])
  two = layers[2]([one, drops_testing.row(pooled_mask)])
  restored = groups.repeat(two) + first
  three = layers[3]([restored, drops_testing.row(mask)])
  return outputs["encoder_outputs"], groups.repeat(one), three


@pytest.mark.parametrize("padding", [0, 4])
def test_middle_layers_equal_a_hand_written_pass(padding):
  states, one, three = _two_layers(drops_testing.batch(padding=padding))
  drops_testing.assert_same([states[1], states[3]], [one, three])


def test_share_is_one_over_the_real_tokens_of_a_group():
  encoder = drops_testing.make_encoder("pool", token_keep_ratio=0.25)
  outputs = encoder(drops_testing.batch(padding=3), training=True)
  share = outputs["computed_share"].numpy()
  # Groups of 5 and 6; three of the six are padding in the first sequence.
  np.testing.assert_allclose(share[1], [1] + [1 / 5] * 5 + [1 / 6] * 6)
  np.testing.assert_allclose(share[0], [1] + [1 / 5] * 5 + [1 / 3] * 6)


@pytest.mark.parametrize(
  ("ratio", "length", "count"),
  [(0.5, 512, 256), (0.25, 512, 128), (0.5, 9, 5), (0.125, 4, 2), (0.5, 1, 1)],
)
def test_number_of_groups(ratio, length, count):
  plan = drops_testing.make_plan(
    12, token_keep_ratio=ratio, drop={"type": "pool"}
  )
  assert plan.keep_counts(length) == (count,)


def test_groups_of_groups_are_those_of_the_whole():
  stages = [{"layer": 3, "keep_ratio": 0.5}, {"layer": 5, "keep_ratio": 0.25}]
  plan = drops_testing.make_plan(12, stages=stages, drop={"type": "pool"})
  for length in (9, 30, 512):
    half, quarter = plan.keep_counts(length)
    numbers = tf.range(quarter, dtype=tf.float32)[tf.newaxis, :, tf.newaxis]
    twice = pool.Neighbours(length, half).repeat(
      pool.Neighbours(half, quarter).repeat(numbers)
    )
    assert twice.shape[1] == length
    assert (np.diff(twice[0, :, 0]) >= 0).all()


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    (
      {"token_keep_ratio": 0.3},
      "token_keep_ratio must be 1, 1/2, 1/4, 1/8 ... where drop.type is pool. "
      "Received: 0.3",
    ),
    (
      {"stages": [{"layer": 3, "keep_ratio": 0.75}]},
      "stages[0].keep_ratio must be 1, 1/2, 1/4, 1/8 ... where drop.type is "
      "pool. Received: 0.75",
    ),
    (
      {"token_keep_k": 5},
      "token_keep_k must be unset where drop.type is pool, which needs "
      "token_keep_ratio. Received: 5",
    ),
  ],
)
def test_other_shares_are_refused(fields, message):
  with pytest.raises(ValueError) as caught:
    drops_testing.make_plan(12, drop={"type": "pool"}, **fields)
  assert str(caught.value) == message


def test_a_schedule_of_other_shares_is_refused():
  plan = drops_testing.make_plan(12, drop={"type": "pool"})
  assert plan.with_ratios([1.0]).keep_counts(64) == (64,)
  with pytest.raises(ValueError, match="keep_ratios must be 1, 1/2, .*: 0.75"):
    plan.with_ratios([0.75])
