# SPDX-License-Identifier: Apache-2.0
"""A sequence as words whose pieces are kept, dropped or special."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from token_dropping.explain import sequences as sequences_lib

KEPT, DROPPED, SPECIAL, NEITHER = "kept", "dropped", "special", ""

# The pieces of a word: what happened to each, and its text.
Word = list[tuple[str, str]]


def words(
  sequence: sequences_lib.TextSequence, computed: np.ndarray
) -> list[Word]:
  """Returns the words; kept is what half of the middle layers computed.

  Args:
    sequence: of n tokens.
    computed: [n] float, share of the middle layers that computed each.
  """
  found = []
  for index, piece in enumerate(sequence.pieces):
    if not found or sequence.spaced[index]:
      found.append([])
    style = SPECIAL if sequence.special[index] else KEPT
    found[-1].append((style if computed[index] >= 0.5 else DROPPED, piece))
  return found


def join(marked: Sequence[Word], mark: Callable[[str, str], str]) -> str:
  """Returns words as text; neighbours of one kind are marked together.

  Args:
    marked: of `words`.
    mark: takes text and what happened to it; returns the text, marked.

  Example:

  >>> join(
  ...   [[(DROPPED, "of")], [(DROPPED, "a")], [(KEPT, "zeal"), (DROPPED, "s")]],
  ...   lambda text, style: f"~{text}~" if style == DROPPED else text)
  '~of a~ zeal~s~'
  """
  return "".join(
    mark("".join(piece for _, piece in run), style)
    for style, run in itertools.groupby(_spaced(marked), lambda each: each[0])
  )


def _spaced(marked: Sequence[Word]) -> Iterator[tuple[str, str]]:
  """Yields pieces and spaces; a space is as what is on both of its sides."""
  before = None
  for word in marked:
    if before is not None:
      yield (before if before == word[0][0] else NEITHER), " "
    yield from word
    before = word[-1][0]
