# SPDX-License-Identifier: Apache-2.0
"""A question and a window of its context -> one record.

`[CLS] question [SEP] window [SEP]`; a context that is too long is cut into
windows that start `doc_stride` tokens apart and overlap (Devlin et al., 2019).
"""

import dataclasses

import numpy as np

from token_dropping.data.finetuning import squad
from token_dropping.data.text import located_tokens

FIRST_UNIQUE_ID = 1_000_000_000  # as in Model Garden


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
  """Part of a context.

  Attributes:
    first: int, its first token.
    length: int, number of tokens.
  """

  first: int
  length: int


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
  """What one record holds.

  Attributes:
    question: its id.
    context: number of the paragraph.
    question_ids: [Q] int32, tokens of the question, already cut.
    window: the part of the context.
    answer: first and last token in the context; None: not in this window.
  """

  question: str
  context: int
  question_ids: np.ndarray
  window: Window
  answer: tuple[int, int] | None = None

  @property
  def position(self) -> int:
    """Where the window starts in the record."""
    return len(self.question_ids) + 2


def split_windows(tokens: int, room: int, stride: int) -> list[Window]:
  """Returns the windows of a context.

  Args:
    tokens: int, length of the context.
    room: int, most tokens of a window.
    stride: int, tokens between the starts of two windows; at most `room`.

  Example:

  >>> [(w.first, w.length) for w in split_windows(10, room=5, stride=3)]
  [(0, 5), (3, 5), (6, 4)]
  """
  windows = []
  first = 0
  while True:
    length = min(room, tokens - first)
    windows.append(Window(first, length))
    if first + length == tokens:
      return windows
    first += stride


def find_answer(
  question: squad.Question,
  context: str,
  tokens: located_tokens.LocatedTokens,
) -> tuple[int, int] | None:
  """Returns the tokens of the first answer that stands where it says.

  Args:
    question: with its answers.
    context: the text.
    tokens: of the text.

  Returns:
    First and last token, or None.
  """
  for answer in question.answers:
    end = answer.start + len(answer.text)
    in_place = answer.start >= 0 and context[answer.start : end] == answer.text
    if in_place and answer.text.strip():
      return tokens.span(answer.start, end)
  return None


def inside(
  answer: tuple[int, int] | None, window: Window
) -> tuple[int, int] | None:
  """Returns the answer if all of it is in the window, else None."""
  if answer is None:
    return None
  whole = window.first <= answer[0] and answer[1] < window.first + window.length
  return answer if whole else None


def features(
  item: Item,
  tokens: located_tokens.LocatedTokens,
  special_ids: dict[str, int],
  seq_length: int,
) -> dict[str, np.ndarray]:
  """Returns the inputs and targets of a record, Model Garden's names.

  Args:
    item: what it holds.
    tokens: of its context.
    special_ids: of the vocabulary, by token.
    seq_length: int, S.

  Returns:
    `input_ids`, `input_mask`, `segment_ids`: [S] int64. `start_positions`,
    `end_positions`, `is_impossible`: [1] int64; without an answer the target is
    `[CLS]`, at 0.
  """
  first, length = item.window.first, item.window.length
  cls, sep = [special_ids["[CLS]"]], [special_ids["[SEP]"]]
  window = tokens.ids[first : first + length]
  ids = np.concatenate([cls, item.question_ids, sep, window, sep])
  padded = np.full([seq_length], special_ids["[PAD]"], np.int64)
  padded[: len(ids)] = ids
  place = np.arange(seq_length)
  start, end = 0, 0
  if item.answer is not None:
    start, end = (item.position + a - first for a in item.answer)
  return {
    "input_ids": padded,
    "input_mask": (place < len(ids)).astype(np.int64),
    "segment_ids": ((item.position <= place) & (place < len(ids))).astype(
      np.int64
    ),
    "start_positions": np.array([start]),
    "end_positions": np.array([end]),
    "is_impossible": np.array([int(item.answer is None)]),
  }
