# SPDX-License-Identifier: Apache-2.0
"""Tests of GLUE's scores, against values by hand."""

import math

import numpy as np
import pytest

from token_dropping.data.finetuning import glue_tasks
from token_dropping.tasks.sentences import scores as sentence_scores

# True positives 2, false positives 1, false negatives 1, true negatives 1.
LABELS = np.array([1, 1, 1, 0, 0])
LOGITS = np.array([[0, 1], [0, 1], [1, 0], [0, 1], [1, 0]])


def _score(name, labels=LABELS, outputs=LOGITS) -> float:
  return sentence_scores.compute([name], labels, outputs)[name]


@pytest.mark.parametrize(
  ("name", "value"),
  [
    ("accuracy", 3 / 5),
    ("f1", 2 * 2 / (2 * 2 + 1 + 1)),
    ("matthews_corrcoef", (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)),
  ],
)
def test_classes(name, value):
  assert _score(name) == pytest.approx(value)


@pytest.mark.parametrize(
  ("name", "value"), [("pearson", 7 / math.sqrt(2 * 258 / 9)), ("spearman", 1)]
)
def test_numbers(name, value):
  # Deviations from the means: -1 0 1, and -8/3 -5/3 13/3.
  labels, outputs = np.array([0.0, 1.0, 2.0]), np.array([[0.0], [1.0], [7.0]])
  assert _score(name, labels, outputs) == pytest.approx(value)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_a_constant_answer_has_no_correlation(name):
  assert _score(name, np.array([0.0, 1.0]), np.array([[2.0], [2.0]])) == 0.0


def test_never_saying_yes_has_no_f1():
  assert _score("f1", outputs=np.array([[1, 0]] * 5)) == 0.0


def test_every_score_of_glue_is_known():
  names = {name for task in glue_tasks.TASKS.values() for name in task.metrics}
  assert names == set(sentence_scores.SCORES)
