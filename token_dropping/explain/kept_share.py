# SPDX-License-Identifier: Apache-2.0
"""How much is kept of rare and frequent tokens, and of parts of a sentence."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from token_dropping.explain import sequences as sequences_lib

PARTS = ("beginning", "middle", "end")
_SENTENCE_ENDS = frozenset(".!?")


@dataclasses.dataclass(frozen=True)
class Group:
  """Some tokens.

  Attributes:
    label: which.
    count: int, how many.
    share: float, mean share of the middle layers that computed them.
  """

  label: str
  count: int
  share: float


def by_frequency(
  sequences: Sequence[sequences_lib.TextSequence],
  computed: Sequence[np.ndarray],
) -> list[Group]:
  """Groups tokens by how often their id occurs in these sequences.

  The classes double: once, 2 to 3 times, 4 to 7 times and so on.

  Args:
    sequences: the text.
    computed: [n] float each, share of the middle layers.
  """
  ids, shares = _ordinary(sequences, computed)
  counts = collections.Counter(ids.tolist())
  classes = np.array([counts[i].bit_length() for i in ids.tolist()], int)
  return [
    _group(_class_label(each), shares[classes == each])
    for each in np.unique(classes)
  ]


def by_part(
  sequences: Sequence[sequences_lib.TextSequence],
  computed: Sequence[np.ndarray],
) -> list[Group]:
  """Groups tokens by the third of their sentence.

  A sentence ends with `.`, `!` or `?`, and where its sequence does.

  Args:
    sequences: the text.
    computed: [n] float each, share of the middle layers.
  """
  thirds = [_thirds(sequence) for sequence in sequences]
  parts = np.concatenate(thirds)
  _, shares = _ordinary(sequences, computed)
  return [
    _group(label, shares[parts == part])
    for part, label in enumerate(PARTS)
    if (parts == part).any()
  ]


def _ordinary(sequences, computed) -> tuple[np.ndarray, np.ndarray]:
  """Returns ids and shares of the tokens that are not special."""
  ordinary = np.concatenate([~each.special for each in sequences])
  ids = np.concatenate([each.ids for each in sequences])
  return ids[ordinary], np.concatenate(computed)[ordinary]


def _class_label(bits: int) -> str:
  if bits == 1:
    return "once"
  return f"{1 << (bits - 1)}–{(1 << bits) - 1} times"


def _group(label: str, shares: np.ndarray) -> Group:
  return Group(label, len(shares), float(shares.mean()))


def _thirds(sequence: sequences_lib.TextSequence) -> np.ndarray:
  """Returns 0, 1 or 2 for each token that is not special."""
  pieces = np.array(sequence.pieces, object)[~sequence.special]
  found, length = [], 0
  for index, piece in enumerate(pieces):
    length += 1
    if piece in _SENTENCE_ENDS or index + 1 == len(pieces):
      found += [3 * place // length for place in range(length)]
      length = 0
  return np.array(found, int)
