# SPDX-License-Identifier: Apache-2.0
"""Tests of the gather of positions."""

import numpy as np
import tensorflow as tf

from token_dropping.dropping import position_gather


def test_each_sequence_has_its_own_positions():
  states = tf.reshape(tf.range(12), [2, 3, 2])
  gathered = position_gather.PositionGather()(
    states, tf.constant([[0, 2], [1, 2]])
  )
  np.testing.assert_array_equal(
    gathered, [[[0, 1], [4, 5]], [[8, 9], [10, 11]]]
  )


def test_masks_are_gathered_too():
  mask = tf.constant([[1, 1, 0]])
  gathered = position_gather.PositionGather()(mask, tf.constant([[1, 2]]))
  np.testing.assert_array_equal(gathered, [[1, 0]])
