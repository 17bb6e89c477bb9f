# SPDX-License-Identifier: Apache-2.0
"""Tests of frozen tables: unknown ids, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

from token_dropping.dropping.importance import frozen_scorer


@pytest.mark.parametrize(
  ("scores", "message"),
  [
    ([1.0, 2.0], "as many as the vocabulary, 3. Received: 2"),
    ([1.0, 2.0, float("inf")], "must be finite, or NaN where unknown"),
    ([float("nan")] * 3, "Received: Inf, or nothing but NaN"),
  ],
)
def test_wrong_scores_are_refused(scores, message):
  with pytest.raises(ValueError, match=message):
    frozen_scorer.FrozenScorer(3, scores=scores)


def test_unknown_ids_count_as_the_highest():
  scorer = frozen_scorer.FrozenScorer(
    4, [1.0, np.nan, 5.0, 2.0], allow_list=[2]
  )
  scores = scorer(tf.constant([[0, 1, 2, 3]]))
  np.testing.assert_array_equal(scores, [[1.0, 5.0, 1e4, 2.0]])
  np.testing.assert_array_equal(
    scorer.scores_by_id(), [1.0, np.nan, np.nan, 2.0]
  )
