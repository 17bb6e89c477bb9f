# SPDX-License-Identifier: Apache-2.0
"""Tests of kept shares and mean losses by hand."""

import dataclasses

import numpy as np
import pandas as pd

from tests import explain_testing
from token_dropping.explain import token_groups


def test_classes_of_frequency_double():
  ids = [2, 5, 5, 6, 3], [2, 5, 6, 7, 3]
  rows = [explain_testing.sequence(*row) for row in ids]
  computed = [np.array([1, 0, 0, 1, 1]), np.array([1, 1, 0.5, 1, 1])]
  # c once; a three times and b twice: 0 0 1 1 .5
  tokens = token_groups.tabulate(rows, computed)
  assert list(token_groups.by_frequency(tokens).itertuples(name=None)) == [
    ("once", 1, 1.0),
    ("2–3 times", 5, 0.5),
  ]


def test_parts_are_thirds_of_sentences():
  # "a b c . | a b": the second sentence is cut by the end of the sequence.
  row = explain_testing.sequence(2, 5, 6, 7, 8, 5, 6, 3)
  computed = np.array([1, 1, 0, 0, 1, 1, 0, 1], float)
  tokens = token_groups.tabulate([row], [computed])
  assert list(token_groups.by_part(tokens).itertuples(name=None)) == [
    ("beginning", 3, 2 / 3),  # a b | a
    ("middle", 2, 0.0),  # c | b
    ("end", 1, 1.0),  # .
  ]


def test_documents_end_sentences():
  row = explain_testing.sequence(2, 5, 6, 3, 5, 6, 3)
  row = dataclasses.replace(row, document_ids=np.array([1] * 4 + [2] * 3))
  assert token_groups.tabulate([row], [np.ones(7)]).part.tolist() == [0, 1] * 2


def test_mean_losses_by_what_happened():
  tokens = pd.DataFrame(
    {"share": [1.0, 0.0, 0.5, 1.0, 0.0], "loss": [1.0, 3.0, 5.0, 7.0, 8.0]}
  )
  means = token_groups.by_fate(tokens)
  assert list(means.index) == ["kept", "partly kept", "dropped"]
  assert means["count"].tolist() == [2, 1, 2]
  assert means["mean"].tolist() == [4.0, 5.0, 5.5]
  # Deviation of 1 and 7 from 4: the square root of 18; over that of 2, 3.
  np.testing.assert_allclose(means.margin, 1.96 * np.array([3, np.nan, 2.5]))
  assert means.too_few.all()


def test_enough_tokens_are_not_too_few():
  many = np.ones(token_groups.FEW)
  means = token_groups.by_fate(pd.DataFrame({"share": many, "loss": many}))
  assert list(means.index) == ["kept"] and not means.too_few.any()
