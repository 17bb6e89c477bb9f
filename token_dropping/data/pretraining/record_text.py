# SPDX-License-Identifier: Apache-2.0
"""Records as text for people: words joined, masks marked."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from token_dropping.common import errors
from token_dropping.common import vocabulary

_CONTINUATION = "##"
_HIDDEN, _REPLACED, _KEPT, _SPECIAL = "32", "31", "36", "2"  # ANSI colours


@dataclasses.dataclass(frozen=True)
class RecordText:
  """Shows the records of a dataset, on a terminal with ANSI colours."""

  vocab: vocabulary.Vocabulary
  coloured: bool = False

  def legend(self) -> str:
    """Returns how to read the marks of a static record."""
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
    shown = self._tokens(record, "input_word_ids", where)
    if "word_starts" in record:
      original = shown
      inner = _inside_words(record, where)
    else:
      targets = self._targets(record, len(shown), where)
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

  def _tokens(self, record: Mapping, name: str, where: str) -> list[str]:
    ids = _feature(record, name, where)
    rule = f"{name} must be in [0, vocab_size) ({len(self.vocab)})"
    for value in ids:
      is_id = 0 <= value < len(self.vocab)
      errors.require(is_id, rule, f"{value} in {where}")
    return [self.vocab.tokens[value] for value in ids]

  def _targets(self, record: Mapping, length: int, where: str) -> dict:
    """Returns the original tokens by their positions in the sequence."""
    positions = _feature(record, "masked_lm_positions", where)
    weights = _feature(record, "masked_lm_weights", where)
    tokens = self._tokens(record, "masked_lm_ids", where)
    errors.require(
      len(positions) == len(weights) == len(tokens),
      "masked_lm_positions, masked_lm_ids and masked_lm_weights must be "
      "equally long",
      f"{len(positions)}, {len(tokens)} and {len(weights)} in {where}",
    )
    rule = f"masked_lm_positions must be in [0, seq_length) ({length})"
    for position in positions:
      inside = 0 <= position < length
      errors.require(inside, rule, f"{position} in {where}")
    slots = zip(positions, tokens, weights, strict=True)
    return {int(p): token for p, token, weight in slots if weight > 0}


def _is_continuation(token: str) -> bool:
  return token.startswith(_CONTINUATION) and token != _CONTINUATION


def _inside_words(record: Mapping, where: str) -> list[bool]:
  starts = record["word_starts"]
  length = len(_feature(record, "input_word_ids", where))
  errors.require(
    len(starts) == length and set(starts.tolist()) <= {0, 1},
    f"word_starts must be 0 or 1 for each of the {length} input_word_ids",
    f"{starts.tolist()} in {where}",
  )
  return [not start for start in starts]


def _feature(record: Mapping, name: str, where: str) -> np.ndarray:
  rule = f"records must have the feature {name}"
  errors.require(name in record, rule, f"{where} without it")
  return record[name]
