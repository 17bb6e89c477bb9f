# SPDX-License-Identifier: Apache-2.0
"""Made-up records of packed pairs."""

from collections.abc import Sequence

import numpy as np

from tests import testing
from token_dropping.data.batches import pair_data

END = 1
TARGET_LENGTH = 12


def packed(
  pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
  seq_length: int = testing.SEQ_LENGTH,
  target_length: int = TARGET_LENGTH,
) -> dict[str, np.ndarray]:
  """Returns a record of pairs of ids, to which the end of sentence is added.

  >>> record = packed([([5, 6], [7]), ([8], [9])], 6, 4)
  >>> record["inputs"].tolist(), record["inputs_segmentation"].tolist()
  ([5, 6, 1, 8, 1, 0], [1, 1, 1, 2, 2, 0])
  """
  record = {}
  lengths = seq_length, target_length
  for index, side in enumerate(pair_data.SIDES):
    ids = np.zeros([lengths[index]], np.int64)
    numbers = np.zeros_like(ids)
    start = 0
    for number, pair in enumerate(pairs, start=1):
      end = start + len(pair[index]) + 1
      ids[start:end] = [*pair[index], END]
      numbers[start:end] = number
      start = end
    record |= {side: ids, pair_data.segmentation(side): numbers}
  return record


def random_features(seed: int) -> dict[str, np.ndarray]:
  """Returns a record of three pairs, whose last positions are padding."""
  rng = np.random.default_rng(seed)
  sizes = rng.integers(1, 4, [3, 2])
  return packed(
    [
      [rng.integers(3, testing.VOCAB_SIZE, size).tolist() for size in pair]
      for pair in sizes
    ]
  )
