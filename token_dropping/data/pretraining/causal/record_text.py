# SPDX-License-Identifier: Apache-2.0
"""Records of causal_lm as text for people."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from token_dropping.data import records
from token_dropping.data.text import byte_tokenizer

_LINE_END = "⏎"
_SPECIAL = "2"  # ANSI colour, dim


@dataclasses.dataclass(frozen=True)
class RecordText:
  """Shows the records of a dataset, on a terminal with ANSI colours."""

  tokenizer: byte_tokenizer.ByteTokenizer
  coloured: bool = False

  def show(self, record: Mapping[str, np.ndarray], where: str) -> str:
    """Returns a record, [size] arrays by name, as a line of text, not padded.

    A sequence may begin or end within a character, which is then U+FFFD.
    """
    size = len(self.tokenizer)
    records.check_values(record, {"input_word_ids": size}, where)
    ids = record["input_word_ids"]
    ends = np.flatnonzero(ids == byte_tokenizer.END_OF_TEXT_ID)
    parts = np.split(ids, ends)  # all but the first begin with an end
    return self._special(byte_tokenizer.END_OF_TEXT).join(
      map(self._text, parts)
    )

  def _text(self, ids: np.ndarray) -> str:
    content = b"".join(self.tokenizer.pieces[i] for i in ids)
    text = content.decode("utf-8", "replace")
    return text.replace("\n", self._special(_LINE_END))

  def _special(self, text: str) -> str:
    return f"\x1b[{_SPECIAL}m{text}\x1b[0m" if self.coloured else text
