# SPDX-License-Identifier: Apache-2.0
"""Text as sequences of tokens, and as the pieces of words that a reader sees.

Glossary: n tokens of a sequence, without padding.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.data.text import located_tokens
from token_dropping.data.text import tokenizer as tokenizer_lib

_CONTINUATION = "##"
# Records hold no spaces: these marks are shown without one on that side.
_NONE_BEFORE = frozenset(".,;:!?)]}%’")
_NONE_AFTER = frozenset("([{")


@dataclasses.dataclass(frozen=True)
class TextSequence:
  """One sequence of a text.

  Attributes:
    ids: [n] int32, special tokens among them.
    type_ids: [n] int32.
    pieces: n str, what to show of each token.
    spaced: n bool, whether white space is before the piece.
    special: [n] bool, `[CLS]` and the like, `[UNK]` among them.
  """

  ids: np.ndarray
  type_ids: np.ndarray
  pieces: tuple[str, ...]
  spaced: tuple[bool, ...]
  special: np.ndarray

  def __len__(self) -> int:
    return len(self.ids)


def from_text(
  text: str, tokenizer: tokenizer_lib.Tokenizer, seq_length: int
) -> list[TextSequence]:
  """Cuts a text into sequences of at most `seq_length` tokens.

  Each is `[CLS] ... [SEP]`, as training packs them; the pieces are those of the
  text as it was written.

  Args:
    text: any.
    tokenizer: of the run.
    seq_length: S, at least 3.
  """
  (located,) = located_tokens.locate([text], tokenizer)
  room, whole = seq_length - 2, _Written(text, located, tokenizer.vocab)
  return [
    whole.cut(start, start + room) for start in range(0, len(located), room)
  ]


def from_ids(
  ids: np.ndarray, type_ids: np.ndarray, vocab: vocabulary.Vocabulary
) -> TextSequence:
  """Makes a sequence of ids, whose text is known only by the vocabulary.

  Args:
    ids: [n] int, without padding.
    type_ids: [n] int.
    vocab: of the run.

  Example:

  >>> vocab = vocabulary.Vocabulary(
  ...   (*vocabulary.SPECIAL_TOKENS, "un", "##able", "."))
  >>> shown = from_ids(np.array([2, 5, 6, 7]), np.zeros(4), vocab)
  >>> shown.pieces, shown.spaced
  (('[CLS]', 'un', 'able', '.'), (False, True, False, False))
  """
  tokens = [vocab.tokens[i] for i in ids]
  special = np.array([t in vocabulary.SPECIAL_TOKENS for t in tokens], bool)
  spaced = [
    bool(special[index - 1] or special[index])
    or not (
      token.startswith(_CONTINUATION)
      or token in _NONE_BEFORE
      or tokens[index - 1] in _NONE_AFTER
    )
    for index, token in enumerate(tokens)
  ]
  spaced[0] = False
  return TextSequence(
    np.asarray(ids, np.int32),
    np.asarray(type_ids, np.int32),
    tuple(token.removeprefix(_CONTINUATION) for token in tokens),
    tuple(spaced),
    special,
  )


@dataclasses.dataclass(frozen=True)
class _Written:
  """A whole text and its tokens.

  Attributes:
    text: str.
    located: its tokens.
    vocab: of the run.
  """

  text: str
  located: located_tokens.LocatedTokens
  vocab: vocabulary.Vocabulary

  def cut(self, start: int, end: int) -> TextSequence:
    """Returns the tokens of a range between `[CLS]` and `[SEP]`."""
    special_ids, own = self.vocab.special_ids, range(start, end)
    own = own[: max(0, len(self.located) - start)]
    ids = [special_ids[vocabulary.CLS]]
    ids += [int(self.located.ids[i]) for i in own]
    ids += [special_ids[vocabulary.SEP]]
    special = np.isin(ids, list(special_ids.values()))
    return TextSequence(
      np.array(ids, np.int32),
      np.zeros(len(ids), np.int32),
      (vocabulary.CLS, *(self._piece(i) for i in own), vocabulary.SEP),
      (False, *(i == start or self._spaced(i) for i in own), True),
      special,
    )

  def _piece(self, index: int) -> str:
    begin, end = self.located.starts[index], self.located.ends[index]
    if index and begin < self.located.ends[index - 1]:
      # Several tokens stand for the same characters, such as those of "ﬃ".
      token = self.vocab.tokens[self.located.ids[index]]
      return token.removeprefix(_CONTINUATION)
    return self.text[begin:end]

  def _spaced(self, index: int) -> bool:
    return self.located.starts[index] > self.located.ends[index - 1]


def count_tokens(sequences: Sequence[TextSequence]) -> int:
  """Returns how many tokens there are that are not special."""
  return int(sum((~each.special).sum() for each in sequences))
