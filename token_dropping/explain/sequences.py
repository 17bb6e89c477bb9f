# SPDX-License-Identifier: Apache-2.0
"""Text as sequences of n tokens, and as the pieces of words to be shown."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.data.text import byte_tokenizer
from token_dropping.data.text import located_tokens
from token_dropping.data.text import tokenizer as tokenizer_lib

_CONTINUATION = "##"
_SPACE = "▁"  # SentencePiece's
_LAST_SPECIAL = byte_tokenizer.END_OF_TEXT_ID  # subwords' end is the same
# Records hold no spaces: these marks are shown without one on that side.
_NONE_BEFORE = frozenset(".,;:!?)]}%’")
_NONE_AFTER = frozenset("([{")

KEPT, DROPPED, SPECIAL, NEITHER = "kept", "dropped", "special", ""
# The pieces of a word: what happened to each, and its text.
Word = list[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class TextSequence:
  """One sequence of a text.

  Attributes:
    ids: [n] int32, special tokens among them.
    pieces: n str, what to show of each token.
    spaced: n bool, whether white space is before the piece.
    special: [n] bool, `[CLS]` and the like, `[UNK]` among them.
    document_ids: [n] int32, where a run keeps documents apart; `None`: all
      tokens see one another.
    padding: how many positions of its record had no token.
  """

  ids: np.ndarray
  type_ids: np.ndarray
  pieces: tuple[str, ...]
  spaced: tuple[bool, ...]
  special: np.ndarray
  document_ids: np.ndarray | None = None
  padding: int = 0

  def __len__(self) -> int:
    return len(self.ids)

  def words(self) -> list[list[int]]:
    words = []
    for place, spaced in enumerate(self.spaced):
      if spaced or not words:
        words.append([])
      words[-1].append(place)
    return words

  def marked_words(self, computed: np.ndarray) -> list[Word]:
    """Returns the words; kept is what half of the middle layers computed."""
    kept = np.where(self.special, SPECIAL, KEPT)
    styles = np.where(computed < 0.5, DROPPED, kept).tolist()
    pieces = list(zip(styles, self.pieces, strict=True))
    return [[pieces[place] for place in word] for word in self.words()]


def from_text(
  text: str, tokenizer: tokenizer_lib.Tokenizer, seq_length: int
) -> list[TextSequence]:
  """Cuts a text into sequences `[CLS] ... [SEP]`, as training packs them.

  The pieces are those of the text as it was written.
  """
  (located,) = located_tokens.locate([text], tokenizer)
  pieces, spaced = _written_pieces(text, located, tokenizer.vocab)
  special_ids = tokenizer.vocab.special_ids
  cls, sep = special_ids[vocabulary.CLS], special_ids[vocabulary.SEP]
  room, sequences = seq_length - 2, []
  for start in range(0, len(located), room):
    part = slice(start, start + room)
    ids = np.array([cls, *located.ids[part], sep], np.int32)
    sequences.append(
      TextSequence(
        ids,
        np.zeros_like(ids),
        (vocabulary.CLS, *pieces[part], vocabulary.SEP),
        (False, True, *spaced[part][1:], True),
        np.isin(ids, list(special_ids.values())),
      )
    )
  return sequences


def _written_pieces(
  text: str, located: located_tokens.LocatedTokens, vocab: vocabulary.Vocabulary
) -> tuple[list[str], list[bool]]:
  """Returns what is written of each token, and whether a space is before."""
  pieces, spaced, reached = [], [], 0
  for token_id, start, end in zip(
    located.ids, located.starts, located.ends, strict=True
  ):
    # Several tokens may stand for the same characters, such as those of "ﬃ".
    shared = start < reached
    token = vocab.tokens[token_id].removeprefix(_CONTINUATION)
    pieces.append(token if shared else text[start:end])
    spaced.append(bool(start > reached))
    reached = end
  return pieces, spaced


def from_ids(
  ids: np.ndarray,
  type_ids: np.ndarray,
  vocab: vocabulary.Vocabulary,
  document_ids: np.ndarray | None = None,
  padding: int = 0,
) -> TextSequence:
  """Makes a sequence of ids [n] whose text only the vocabulary tells.

  >>> vocab = vocabulary.Vocabulary(
  ...   (*vocabulary.SPECIAL_TOKENS, "un", "##able", "."))
  >>> shown = from_ids(np.array([2, 5, 6, 7]), np.zeros(4), vocab)
  >>> shown.pieces, shown.spaced
  (('[CLS]', 'un', 'able', '.'), (False, True, False, False))
  """
  tokens = [vocab.tokens[i] for i in ids]
  special = np.array([t in vocabulary.SPECIAL_TOKENS for t in tokens], bool)
  spaced = [False]
  for place in range(1, len(tokens)):
    joined = (
      tokens[place].startswith(_CONTINUATION)
      or tokens[place] in _NONE_BEFORE
      or tokens[place - 1] in _NONE_AFTER
    )
    spaced.append(bool(special[place - 1] or special[place]) or not joined)
  return TextSequence(
    np.asarray(ids, np.int32),
    np.asarray(type_ids, np.int32),
    tuple(token.removeprefix(_CONTINUATION) for token in tokens),
    tuple(spaced),
    special,
    document_ids,
    padding,
  )


def from_spaced_pieces(
  ids: np.ndarray,
  names: Sequence[str],
  document_ids: np.ndarray | None = None,
  padding: int = 0,
) -> TextSequence:
  """Makes a sequence of ids [n] of pieces that begin with their spaces.

  >>> names = ["<pad>", "<end>", "a", " b", "▁c"]
  >>> from_spaced_pieces(np.array([2, 3, 4, 1]), names).pieces
  ('a', 'b', 'c', '<end>')
  """
  pieces = [names[i].replace(_SPACE, " ") for i in ids]
  special = np.asarray(ids) <= _LAST_SPECIAL
  beside = special | np.append(False, special[:-1])
  begins = [piece.startswith(" ") for piece in pieces] | beside
  return TextSequence(
    np.asarray(ids, np.int32),
    np.zeros_like(ids, np.int32),
    tuple(piece.removeprefix(" ") for piece in pieces),
    tuple(begins.tolist()),
    special,
    document_ids,
    padding,
  )


def count_tokens(sequences: Sequence[TextSequence]) -> int:
  """Returns how many tokens there are that are not special."""
  return int(sum((~sequence.special).sum() for sequence in sequences))


def join(words: Sequence[Word], mark: Callable[[str, str], str]) -> str:
  """Returns words as text; `mark` gets neighbours of one kind, and the kind.

  >>> join(
  ...   [[(DROPPED, "of")], [(DROPPED, "a")], [(KEPT, "zeal"), (DROPPED, "s")]],
  ...   lambda text, style: f"~{text}~" if style == DROPPED else text)
  '~of a~ zeal~s~'
  """
  return "".join(
    mark("".join(piece for _, piece in run), style)
    for style, run in itertools.groupby(_spaced(words), lambda piece: piece[0])
  )


def _spaced(words: Sequence[Word]) -> Iterator[tuple[str, str]]:
  """Yields pieces and spaces; a space is as what is on both of its sides."""
  before = None
  for word in words:
    if before is not None:
      yield (before if before == word[0][0] else NEITHER), " "
    yield from word
    before = word[-1][0]
