# SPDX-License-Identifier: Apache-2.0
"""Tests of the selection of positions."""

import numpy as np
import tensorflow as tf

from token_dropping.dropping import token_selector


def _select(scores, keep, mask=None):
  selector = token_selector.TokenSelector()
  if mask is not None:
    mask = tf.constant(mask)
  return selector(tf.constant(scores), keep=keep, mask=mask).numpy().tolist()


def test_highest_scores_stay_in_ascending_order():
  scores = [[1.0, 9.0, 5.0, 7.0], [4.0, 3.0, 2.0, 1.0]]
  assert _select(scores, 2) == [[1, 3], [0, 1]]


def test_equal_scores_go_to_the_earlier_position():
  assert _select([[5.0, 5.0, 5.0, 5.0]], 3) == [[0, 1, 2]]


def test_padding_is_kept_only_when_all_real_tokens_are():
  # Padding has the highest score, a denied token the lowest.
  scores = [[-1e4, 2.0, 1e4, 1e4]]
  mask = [[1, 1, 0, 0]]
  assert _select(scores, 2, mask) == [[0, 1]]
  assert _select(scores, 3, mask) == [[0, 1, 2]]


def test_all_positions_can_stay():
  assert _select([[3.0, 1.0, 2.0]], 3) == [[0, 1, 2]]


def test_compiles_to_the_same_positions_with_xla():
  selector = token_selector.TokenSelector()
  scores = tf.random.stateless_uniform([8, 64], seed=[1, 2])
  compiled = tf.function(lambda s: selector(s, keep=16), jit_compile=True)
  np.testing.assert_array_equal(selector(scores, keep=16), compiled(scores))


def test_mixed_precision_does_not_round_scores():
  selector = token_selector.TokenSelector(dtype="mixed_bfloat16")
  scores = tf.constant([[10.0, 10.001, 10.002]])  # one number in bfloat16
  assert selector(scores, keep=1).numpy().tolist() == [[2]]
