# SPDX-License-Identifier: Apache-2.0
"""Puts documents into sequences by length, so that few are cut.

Best-fit decreasing, as proposed for language models by Ding et al. ("Fewer
Truncations Improve Language Modeling", arXiv 2404.10830).
"""

from collections.abc import Sequence

from token_dropping.data.pretraining import packing
from token_dropping.data.text import wordpiece


def pack_best_fit(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
) -> packing.Packed:
  """Packs whole documents together; only those longer than S - 2 are cut.

  Args:
    documents: any number, none empty.
    seq_length: S.
    special_ids: ids by token, as `Vocabulary.special_ids`.

  Returns:
    `Packed`; nothing is dropped.
  """
  parts = packing.cut(documents, seq_length - 2)
  bins = fill_bins([len(part) for part in parts], seq_length - 2)
  groups = [[parts[i] for i in members] for members in bins]
  return packing.join(groups, documents, seq_length, special_ids)


def fill_bins(lengths: Sequence[int], room: int) -> list[list[int]]:
  """Distributes parts: the longest first, each where least room is left over.

  Args:
    lengths: of the parts, at most `room` each.
    room: of a bin; there is one position between two parts.

  Returns:
    For each bin the indices of its parts.

  Example:

  >>> fill_bins([3, 9, 5, 1], 10)
  [[1], [2, 0], [3]]
  """
  bins: list[list[int]] = []
  by_room: list[list[int]] = [[] for _ in range(room + 1)]
  rooms = 0  # bit r is set if a bin has room r
  for part in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
    need = lengths[part] + 1
    enough = rooms >> need << need
    if enough:
      left = (enough & -enough).bit_length() - 1  # the lowest bit
      chosen = by_room[left].pop()
      if not by_room[left]:
        rooms -= 1 << left
      left -= need
    else:
      chosen, left = len(bins), room - lengths[part]
      bins.append([])
    bins[chosen].append(part)
    by_room[left].append(chosen)
    rooms |= 1 << left
  return bins
