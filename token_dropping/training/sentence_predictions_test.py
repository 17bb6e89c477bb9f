# SPDX-License-Identifier: Apache-2.0
"""Tests of GLUE's submission files."""

import numpy as np

from token_dropping.training import sentence_predictions


def test_numbers_stay_in_their_range():
  predictions = sentence_predictions.Predictions(
    np.array([2, 0, 1]), np.array([[5.5], [-0.1], [2.71828]]), np.zeros([3])
  )
  text = predictions.submission((), (0.0, 5.0))
  assert text == "index\tprediction\n0\t0.000\n1\t2.718\n2\t5.000\n"
