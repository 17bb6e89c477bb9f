# SPDX-License-Identifier: Apache-2.0
"""Tests of kept shares by hand."""

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.explain import kept_share
from token_dropping.explain import sequences

VOCAB = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, "a", "b", "c", "."))


def _sequence(*ids: int) -> sequences.TextSequence:
  return sequences.from_ids(np.array(ids), np.zeros(len(ids)), VOCAB)


def test_classes_of_frequency_double():
  rows = [_sequence(2, 5, 5, 6, 3), _sequence(2, 5, 6, 7, 3)]
  computed = [np.array([1, 0, 0, 1, 1]), np.array([1, 1, 0.5, 1, 1])]
  # c once; a three times and b twice: 0 0 1 1 .5
  assert kept_share.by_frequency(rows, computed) == [
    kept_share.Group("once", 1, 1.0),
    kept_share.Group("2–3 times", 5, 0.5),
  ]


def test_parts_are_thirds_of_sentences():
  # "a b c . | a b": the second sentence is cut by the end of the sequence.
  row = _sequence(2, 5, 6, 7, 8, 5, 6, 3)
  computed = np.array([1, 1, 0, 0, 1, 1, 0, 1], float)
  assert kept_share.by_part([row], [computed]) == [
    kept_share.Group("beginning", 3, 2 / 3),  # a b | a
    kept_share.Group("middle", 2, 0.0),  # c | b
    kept_share.Group("end", 1, 1.0),  # .
  ]
