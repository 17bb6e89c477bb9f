# SPDX-License-Identifier: Apache-2.0
"""The tokens of a text and the characters that each of them stands for.

The text is split only where BERT's basic tokenizer splits too, at white space,
punctuation and CJK characters: the ids of the parts are those of the whole. In
a part, characters are counted off against the pieces; where they do not match,
as with [UNK], each piece stands for the whole part. (The `tokenizers` package
would not do: it knows Unicode 8 and leaves combining accents out.)
"""

import dataclasses
import itertools
import unicodedata
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import words as words_lib


@dataclasses.dataclass(frozen=True)
class LocatedTokens:
  """The tokens of a text: `ids`, first characters and ends, [N] int32 each."""

  ids: np.ndarray
  starts: np.ndarray
  ends: np.ndarray

  def __len__(self) -> int:
    return len(self.ids)

  def span(self, start: int, end: int) -> tuple[int, int] | None:
    """First and last token that stand for any character in [start, end)."""
    first = int(np.searchsorted(self.ends, start, "right"))
    last = int(np.searchsorted(self.starts, end, "left")) - 1
    return (first, last) if first <= last else None


def locate(
  texts: Sequence[str], tokenizer: tokenizer_lib.Tokenizer
) -> list[LocatedTokens]:
  """Returns the tokens of texts, many at a time, which is faster."""
  pattern = words_lib.parts()
  parts = [
    [(match.start(), match.group()) for match in pattern.finditer(text)]
    for text in texts
  ]
  words = [word for row in parts for _, word in row]
  ids = iter(tokenizer.tokenize(tf.constant(words, tf.string)).to_list())
  return [_join(row, ids, tokenizer.vocab.tokens) for row in parts]


def _join(
  parts: Sequence[tuple[int, str]],
  rows: Iterator[list[int]],
  tokens: Sequence[str],
) -> LocatedTokens:
  """Puts the parts of one text, which have starts, in a row with their ids."""
  ids, starts, ends = [], [], []
  for start, part in parts:
    row = next(rows)
    offsets = piece_offsets(part, [tokens[i] for i in row])
    ids += row
    starts += [start + begin for begin, _ in offsets]
    ends += [start + end for _, end in offsets]
  return LocatedTokens(*(np.array(x, np.int32) for x in (ids, starts, ends)))


def piece_offsets(part: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
  """Returns first character and end of each piece of a word.

  >>> piece_offsets("Déjà", ["de", "##ja"])
  [(0, 2), (2, 4)]
  >>> piece_offsets("oﬃce", ["off", "##ice"])
  [(0, 4), (0, 4)]
  """
  continued = [
    piece.removeprefix(vocabulary.CONTINUATION) for piece in pieces[1:]
  ]
  texts = [*pieces[:1], *continued]
  begins = [0, *itertools.accumulate(map(len, texts))][:-1]
  for fold in _FOLDS:
    if "".join(map(fold, part)) == "".join(texts):
      owners = [i for i, c in enumerate(part) for _ in fold(c)]
      starts = [owners[begin] for begin in begins]
      # What folds to nothing, such as a combining accent, belongs to the left.
      ends = [*starts[1:], len(part)][: len(starts)]
      return [(s, max(e, s + 1)) for s, e in zip(starts, ends, strict=True)]
  return [(0, len(part))] * len(pieces)


def _strip(text: str) -> str:
  decomposed = unicodedata.normalize("NFD", text)
  return "".join(c for c in decomposed if unicodedata.category(c) != "Mn")


# What a tokenizer may do to a character, by lower case and accents.
_FOLDS: tuple[Callable[[str], str], ...] = (
  str,
  str.lower,
  lambda text: _strip(text.lower()),
  _strip,
)
