# SPDX-License-Identifier: Apache-2.0
"""Records as text for people: words joined, masks marked."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data import records

_CONTINUATION = "##"
_HIDDEN, _REPLACED, _KEPT, _SPECIAL = "32", "31", "36", "2"  # ANSI colours


@dataclasses.dataclass(frozen=True)
class RecordText:
  """Shows the records of a dataset, on a terminal with ANSI colours."""

  vocab: vocabulary.Vocabulary
  coloured: bool = False

  def legend(self) -> str:
    """Returns how to read the marks of static records."""
    return (
      f"To predict is a: {self._mark('a', vocabulary.MASK)} hidden, "
      f"{self._mark('a', 'b')} replaced by b, {self._mark('a', 'a')} left."
    )

  def show(self, record: Mapping[str, np.ndarray], where: str) -> str:
    """Returns a record, [size] arrays by name, as a line of text, not padded.

    A static record has the original tokens in the places of the masks, marked;
    a dynamic one, known by `word_starts` ([S], 1 at the first token of a word,
    else 0), is the text itself. What fits neither is a `UserError`.
    """
    size = len(self.vocab)
    records.check_values(record, {"input_word_ids": size}, where)
    shown = self._tokens(record["input_word_ids"])
    if "word_starts" in record:
      records.check_values(record, {"word_starts": 2}, where)
      _check_lengths(record, where, "word_starts", "input_word_ids")
      original, inner = shown, [not start for start in record["word_starts"]]
    else:
      ends = {"masked_lm_ids": size, "masked_lm_positions": len(shown)}
      records.check_values(record, ends, where)
      _check_lengths(record, where, *ends, "masked_lm_weights")
      targets = self._targets(record)
      original = [targets.get(i, token) for i, token in enumerate(shown)]
      inner = [_is_continuation(token) for token in original]
      shown = [
        self._mark(token, shown[i]) if i in targets else token
        for i, token in enumerate(original)
      ]
    return self._join(original, shown, inner)

  def _join(self, original: list[str], shown: list[str], inner: list[bool]):
    """Joins what to show of each token; a continuation loses its `##`."""
    text = ""
    glue = False  # a sequence may begin inside a word
    for token, piece, continues in zip(original, shown, inner, strict=True):
      if token == vocabulary.PAD:
        continue
      if not (glue and continues):
        text += " " if text else ""
      elif _is_continuation(token):
        piece = piece.replace(token, token.removeprefix(_CONTINUATION), 1)
      special = piece in vocabulary.SPECIAL_TOKENS
      text += self._coloured(piece, _SPECIAL) if special else piece
      glue = not special
    return text

  def _mark(self, original: str, shown: str) -> str:
    if shown == vocabulary.MASK:
      return self._coloured(f"[{original}→MASK]", _HIDDEN)
    if shown == original:
      return self._coloured(f"[{original}=]", _KEPT)
    return self._coloured(f"[{original}→{shown}]", _REPLACED)

  def _coloured(self, text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured else text

  def _tokens(self, ids: np.ndarray) -> list[str]:
    return [self.vocab.tokens[value] for value in ids]

  def _targets(self, record: Mapping) -> dict[int, str]:
    """Returns the original tokens by their positions in the sequence."""
    used = record["masked_lm_weights"] > 0
    places = record["masked_lm_positions"][used].tolist()
    tokens = self._tokens(record["masked_lm_ids"][used])
    return dict(zip(places, tokens, strict=True))


def _is_continuation(token: str) -> bool:
  return token.startswith(_CONTINUATION) and token != _CONTINUATION


def _check_lengths(record: Mapping, where: str, *names: str) -> None:
  lengths = [len(record.get(name, ())) for name in names]
  rule = f"{', '.join(names)} of a record must be equally long"
  errors.require(len(set(lengths)) == 1, rule, f"{lengths} in {where}")
