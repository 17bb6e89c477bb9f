# SPDX-License-Identifier: Apache-2.0
"""Tests of which tokens are measured in which context, by hand."""

import numpy as np
import pytest

from token_dropping.study import context_windows

IDS = np.array([[1, 7, 8, 2, 9, 8, 7, 2]])


def _has_far_twin(positions, shown=IDS, documents=IDS * 0, distance=2):
  places = np.array([positions])
  found = context_windows.has_far_twin(IDS, shown, documents, places, distance)
  return found[0].tolist()


def test_a_twin_stands_once_more_and_farther_than_the_distance():
  # Apart are 7 by 5 positions and 8 by 3; 9 is alone, 2 stands 4 apart.
  for distance, wanted in (
    (2, [True, True, False, True]),
    (3, [True, False, False, True]),
    (5, [False, False, False, False]),
  ):
    assert _has_far_twin([1, 2, 4, 3], distance=distance) == wanted


@pytest.mark.parametrize("place", [5, 6])
def test_a_third_one_or_a_hidden_twin_does_not_count(place):
  shown = IDS.copy()
  shown[0, place] = 4  # a mask
  hidden = int(IDS[0, place])
  wanted = [hidden != 7, hidden != 8]
  assert _has_far_twin([1, 2], shown=shown) == wanted
  thrice = IDS.copy()
  thrice[0, 4] = 7
  places = np.array([[1, 6, 2]])
  args = thrice, thrice, thrice * 0, places, 2
  assert context_windows.has_far_twin(*args).tolist() == [[False, False, True]]


def test_a_twin_of_another_document_does_not_count():
  documents = np.array([[0, 0, 0, 0, 1, 1, 1, 1]])
  assert _has_far_twin([1, 2], documents=documents) == [False, False]


def test_windows_of_a_padded_record():
  ids = np.array([[1, 5, 6, 7, 8, 9, 2, 0, 0]])
  lengths = np.array([7])
  firsts = context_windows.starts(lengths, 5, seq_length=9)
  assert firsts.tolist() == [[0, 1, 2, 2, 2]]
  windows, mask = context_windows.cut(ids, lengths, firsts, 5)
  assert windows[0, :3].tolist() == [
    [1, 5, 6, 7, 2],
    [1, 6, 7, 8, 2],
    [1, 7, 8, 9, 2],
  ]
  assert mask.all()
  windows, mask = context_windows.cut(ids, lengths, np.array([[0]]), 8)
  assert windows.tolist() == [[[1, 5, 6, 7, 8, 9, 2, 0]]]
  assert mask.tolist() == [[[1] * 7 + [0]]]
