# SPDX-License-Identifier: Apache-2.0
"""Tests of what a frozen table refuses."""

import pytest

from token_dropping.layers import frozen_scorer


@pytest.mark.parametrize(
  ("scores", "message"),
  [
    ([1.0, 2.0], "as many as the vocabulary, 3. Received: 2"),
    ([1.0, 2.0, float("nan")], "must be finite. Received: NaN or Inf"),
  ],
)
def test_wrong_scores_are_refused(scores, message):
  with pytest.raises(ValueError, match=message):
    frozen_scorer.FrozenScorer(3, scores=scores)
