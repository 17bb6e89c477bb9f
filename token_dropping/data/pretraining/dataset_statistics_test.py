# SPDX-License-Identifier: Apache-2.0
"""Tests of entropy and loss of a guess without context."""

import math

import numpy as np
import pytest

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import dataset_statistics

VOCAB = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, "a", "b", "c"))


def test_special_tokens_are_left_out():
  counts = np.array([1, 2, 3, 4, 5, 6, 7, 8])
  ordinary = dataset_statistics.ordinary(VOCAB, counts)
  np.testing.assert_array_equal(ordinary, [0, 0, 0, 0, 0, 6, 7, 8])
  assert counts[0] == 1


def test_entropy():
  expected = 0.5 * math.log(2) + 2 * 0.25 * math.log(4)
  counts = np.array([0, 2, 1, 1])
  assert dataset_statistics.entropy(counts) == pytest.approx(expected)
  assert dataset_statistics.entropy(np.zeros(3)) == 0


def test_unigram_loss():
  train = np.array([0, 3, 1, 0])  # smoothed 1/8 4/8 2/8 1/8
  targets = np.array([0, 2, 1, 1])
  expected = (2 * math.log(2) + math.log(4) + math.log(8)) / 4
  loss = dataset_statistics.unigram_loss(train, targets)
  assert loss == pytest.approx(expected)
  assert dataset_statistics.unigram_loss(np.ones(3), np.zeros(3)) == 0
