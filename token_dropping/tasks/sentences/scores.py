# SPDX-License-Identifier: Apache-2.0
"""The scores of GLUE (Wang et al., 2019, arXiv 1804.07461), by name.

Of all predictions at once, since most are no means over batches.
"""

import math
from collections.abc import Iterable

import numpy as np
from scipy import stats
from sklearn import metrics as sklearn_metrics


def compute(
  names: Iterable[str], labels: np.ndarray, outputs: np.ndarray
) -> dict[str, float]:
  """Returns the score of each name of `SCORES`; 1 is best.

  Labels are ids, and outputs logits [N, C]; or both numbers, [N] and [N, 1].

  >>> logits = np.array([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
  >>> compute(["accuracy", "f1"], np.array([0, 1, 0]), logits)
  {'accuracy': 0.6666666666666666, 'f1': 0.6666666666666666}
  """
  predictions = np.argmax(outputs, axis=-1)
  if outputs.shape[-1] == 1:
    predictions = outputs[:, 0]
  return {name: float(SCORES[name](labels, predictions)) for name in names}


def _f1(labels, predictions) -> float:
  return sklearn_metrics.f1_score(labels, predictions, zero_division=0.0)


def _correlation(function):
  """Returns a score that is 0 where a constant makes it undefined."""

  def score(labels, predictions) -> float:
    if np.ptp(labels) == 0 or np.ptp(predictions) == 0:
      return 0.0
    value = float(function(labels, predictions)[0])
    return value if math.isfinite(value) else 0.0

  return score


SCORES = {
  "accuracy": sklearn_metrics.accuracy_score,
  "f1": _f1,
  "matthews_corrcoef": sklearn_metrics.matthews_corrcoef,
  "pearson": _correlation(stats.pearsonr),
  "spearman": _correlation(stats.spearmanr),
}
