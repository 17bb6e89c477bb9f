# SPDX-License-Identifier: Apache-2.0
"""Tests of what is left to draw from, worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from token_dropping.models.causal import sampling

SHARES = [[0.1, 0.5, 0.15, 0.25], [0.7, 0.06, 0.2, 0.04]]
SQUARES = [0.01 / 0.345, 0.25 / 0.345, 0.0225 / 0.345, 0.0625 / 0.345]


@pytest.mark.parametrize(
  ("how", "first", "second"),
  [
    ({}, SHARES[0], SHARES[1]),
    ({"top_k": 1}, [0, 1, 0, 0], [1, 0, 0, 0]),
    ({"top_k": 2}, [0, 2 / 3, 0, 1 / 3], [7 / 9, 0, 2 / 9, 0]),
    ({"top_k": 9}, SHARES[0], SHARES[1]),
    # .5 + .25 is not above .8, so a third one is needed.
    ({"top_p": 0.8}, [0, 5 / 9, 1 / 6, 5 / 18], [7 / 9, 0, 2 / 9, 0]),
    ({"top_p": 0.01}, [0, 1, 0, 0], [1, 0, 0, 0]),
    # Of three that are left the first two have .833.
    ({"top_k": 3, "top_p": 0.8}, [0, 2 / 3, 0, 1 / 3], [7 / 9, 0, 2 / 9, 0]),
    ({"temperature": 0.5}, SQUARES, None),
  ],
)
def test_distributions(how, first, second):
  logits = tf.math.log(SHARES) + 3.0
  filtered = sampling.filter_logits(logits, sampling.Sampling(**how))
  found = tf.nn.softmax(filtered).numpy()
  np.testing.assert_allclose(found[0], first, atol=1e-6)
  if second is not None:
    np.testing.assert_allclose(found[1], second, atol=1e-6)


def test_draws_follow_the_distribution_and_the_seed():
  logits = tf.math.log(tf.constant(SHARES[:1] * 20_000))
  one, same, next_step, other = (
    sampling.draw(logits, sampling.Sampling(seed=seed), tf.constant(step))
    for seed, step in [(1, 0), (1, 0), (1, 1), (2, 0)]
  )
  np.testing.assert_array_equal(one, same)
  assert (one != next_step).numpy().any() and (one != other).numpy().any()
  # Five standard deviations of a share are .018 at most.
  shares = np.bincount(one, minlength=4) / 20_000
  np.testing.assert_allclose(shares, SHARES[0], atol=0.018)
