# SPDX-License-Identifier: Apache-2.0
"""Tests for corpus_statistics."""

import math

import numpy as np
import pytest

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import corpus_statistics

VOCAB = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, "a", "b", "c"))


def _count(ids):
  return corpus_statistics.TokenCounts(
    VOCAB, np.bincount(ids, minlength=len(VOCAB))
  )


def test_counts_leave_special_tokens_out():
  counts = _count([2, 5, 5, 1, 6, 3, 0, 4])
  np.testing.assert_array_equal(counts.counts, [0, 0, 0, 0, 0, 2, 1, 0])
  assert counts.tokens == 4  # with [UNK]
  assert counts.unknown_share == 0.25


def test_entropy():
  counts = _count([5, 5, 6, 7, 1, 1])
  expected = 0.5 * math.log(2) + 2 * 0.25 * math.log(4)
  assert counts.entropy() == pytest.approx(expected)


def test_without_tokens():
  counts = _count([2, 3])
  assert counts.entropy() == counts.unknown_share == counts.tokens == 0


def test_unigram_loss():
  train = np.array([0, 3, 1, 0])  # smoothed 1/8 4/8 2/8 1/8
  targets = np.array([0, 2, 1, 1])
  expected = (2 * math.log(2) + math.log(4) + math.log(8)) / 4
  loss = corpus_statistics.unigram_loss(train, targets)
  assert loss == pytest.approx(expected)


def test_unigram_loss_without_targets():
  assert corpus_statistics.unigram_loss(np.ones(3), np.zeros(3)) == 0
