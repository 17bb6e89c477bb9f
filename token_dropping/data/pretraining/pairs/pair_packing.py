# SPDX-License-Identifier: Apache-2.0
"""Pairs of sentences -> sequences of two sides, several pairs each.

Best fit, decreasing, as `packing` has it for documents, here with two sizes
(vector bin packing; Panigrahy et al., 2011, "Heuristics for Vector Bin
Packing"): a pair fits where both of its sides do.
Glossary: N sequences, S and T positions of sources and targets in one.
"""

from collections.abc import Sequence

import numpy as np

# Pairs that may share a sequence: each looks at all sequences of its window.
WINDOW = 8192


def fill_bins(sizes: np.ndarray, room: tuple[int, int]) -> list[list[int]]:
  """Distributes pairs of `sizes`, [pairs, 2], none larger than the `room`.

  Those whose longer side takes most of its room come first, each where least
  room is left over, as a share, of both sides together. Returns their indices
  for each bin.

  >>> fill_bins(np.array([[2, 2], [9, 3], [5, 8], [1, 6]]), (10, 10))
  [[1, 3], [2, 0]]
  """
  return [
    [start + pair for pair in members]
    for start in range(0, len(sizes), WINDOW)
    for members in _fill(sizes[start : start + WINDOW], room)
  ]


def _fill(sizes: np.ndarray, room: tuple[int, int]) -> list[list[int]]:
  """Distributes the pairs of a window."""
  shares = sizes / np.array(room)
  left = np.empty([len(sizes), 2], np.int64)  # of each bin
  score = np.empty([len(sizes)])  # the shares that are left, together
  bins: list[list[int]] = []
  for pair in np.argsort(-shares.max(-1), kind="stable").tolist():
    number = len(bins)
    fits = np.flatnonzero((left[:number] >= sizes[pair]).all(-1))
    if len(fits):
      chosen = fits[score[fits].argmin()]
    else:
      chosen = number
      left[chosen], score[chosen] = room, 2.0
      bins.append([])
    left[chosen] -= sizes[pair]
    score[chosen] -= shares[pair].sum()
    bins[chosen].append(pair)
  return bins


def join(
  bins: Sequence[Sequence[int]], sides: Sequence[np.ndarray], length: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns one side of sequences, [N, length] int32: ids and pairs' numbers.

  >>> ids, numbers = join([[1, 0]], [np.array([5, 1]), np.array([6, 1])], 5)
  >>> ids.tolist(), numbers.tolist()
  ([[6, 1, 5, 1, 0]], [[1, 1, 2, 2, 0]])
  """
  ids = np.zeros([len(bins), length], np.int32)
  numbers = np.zeros_like(ids)
  for row, members in enumerate(bins):
    start = 0
    for number, pair in enumerate(members, start=1):
      end = start + len(sides[pair])
      ids[row, start:end] = sides[pair]
      numbers[row, start:end] = number
      start = end
  return ids, numbers
