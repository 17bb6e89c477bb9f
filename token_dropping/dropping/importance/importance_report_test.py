# SPDX-License-Identifier: Apache-2.0
"""Tests of the table for people."""

import numpy as np
import pytest
import tensorflow as tf

from token_dropping.dropping.importance import importance_report
from token_dropping.dropping.importance import importance_scorer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", " of", "zeal"]


@pytest.fixture
def scorer():
  scorer = importance_scorer.ImportanceScorer(
    9, beta=0.0, allow_list=[1, 2, 3, 4], deny_list=[0]
  )
  scorer.update([[5, 6, 7]], [[1.0, 2.0, 9.0]], [[1.0, 1.0, 1.0]])
  return scorer


def test_pinned_and_unseen_ids_are_not_learnt(scorer):
  scores = scorer.scores_by_id()
  np.testing.assert_array_equal(scores, [np.nan] * 5 + [1, 2, 9, np.nan])


def test_tokens_are_ranked_by_name(scorer):
  most, least = importance_report.ranked_tokens(scorer, TOKENS, 2)
  assert most == ["zeal", "▁of"]
  assert least == ["the", "▁of"]


def test_without_names_ids_stand_for_tokens(scorer):
  most, _ = importance_report.ranked_tokens(scorer, [])
  assert most == ["id 7", "id 6", "id 5"]


def _histograms(directory) -> list:
  (path,) = directory.glob("events*")
  return [
    (event.step, value.tag, tf.make_ndarray(value.tensor))
    for event in tf.compat.v1.train.summary_iterator(str(path))
    for value in event.summary.value
  ]


def test_histogram_is_written_when_due(scorer, tmp_path):
  step = tf.Variable(0, dtype=tf.int64)
  histogram = importance_report.ImportanceHistogram(
    scorer, step, str(tmp_path), interval=4
  )
  for _ in range(4):
    step.assign_add(2)
    histogram({})
  written = _histograms(tmp_path)
  due = [(4, "importance"), (8, "importance")]
  assert [(at, tag) for at, tag, _ in written] == due
  buckets = written[0][2]  # rows of left edge, right edge, count
  assert buckets[:, 2].sum() == 3
  assert buckets[0, 0] == 1.0 and buckets[-1, 1] == 9.0
