# SPDX-License-Identifier: Apache-2.0
"""Tests of mutual information against hand-computed numbers."""

import numpy as np
import pytest

from token_dropping.tasks.importance_tables import from_data

LN = np.log


def _labels(*texts) -> from_data.LabelInformation:
  counted = from_data.LabelInformation(vocab_size=3, num_classes=2)
  for ids, label in texts:
    counted.add(np.array(ids), label)
  return counted


def test_label_information_of_a_partial_hint():
  # 0 is in both texts of label 0 and in one of two of label 1.
  counted = _labels(([0, 0], 0), ([0, 1], 0), ([0], 1), ([1], 1))
  expected = (
    0.5 * LN(0.5 / (0.75 * 0.5))
    + 0.25 * LN(0.25 / (0.75 * 0.5))
    + 0.25 * LN(0.25 / (0.25 * 0.5))
  )
  scores = counted.scores()
  np.testing.assert_allclose(scores[0], expected)
  # 1 is in one text of each label; 2 in none: neither tells anything.
  np.testing.assert_allclose(scores[1:], [0.0, 0.0], atol=1e-12)
  np.testing.assert_array_equal(counted.counts, [3, 2, 0])


def test_label_that_no_text_has():
  scores = _labels(([0], 0), ([1], 0)).scores()
  np.testing.assert_allclose(scores, 0.0, atol=1e-12)


def test_document_information():
  counted = from_data.DocumentInformation(4)
  counted.add(np.array([0, 0, 1, 2]))
  counted.add(np.array([0, 1, 1, 1, 1, 1]))
  # n = 10; P(d) = 0.4, 0.6.
  zero = 2 / 3 * LN((2 / 3) / 0.4) + 1 / 3 * LN((1 / 3) / 0.6)
  one = 1 / 6 * LN((1 / 6) / 0.4) + 5 / 6 * LN((5 / 6) / 0.6)
  expected = [zero, one, LN(1 / 0.4), 0.0]
  np.testing.assert_allclose(counted.scores(), expected)
  np.testing.assert_array_equal(counted.counts, [3, 6, 1, 0])


def test_mean_document_information_is_the_mutual_information():
  rng = np.random.default_rng(1)
  documents = [rng.integers(0, 5, rng.integers(3, 20)) for _ in range(6)]
  counted = from_data.DocumentInformation(5)
  for ids in documents:
    counted.add(ids)
  joint = np.stack([np.bincount(ids, minlength=5) for ids in documents])
  joint = joint / joint.sum()
  outer = joint.sum(1, keepdims=True) * joint.sum(0)
  mutual = (joint * LN(np.where(joint > 0, joint / outer, 1.0))).sum()
  mean = (counted.scores() * counted.counts).sum() / counted.counts.sum()
  assert mean == pytest.approx(mutual)
