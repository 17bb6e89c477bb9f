# SPDX-License-Identifier: Apache-2.0
"""SQuAD -> records as Model Garden reads them, and what scoring needs.

A record is `[CLS] question [SEP] window [SEP]`; a context that is too long is
cut into windows that overlap (Devlin et al., 2019). `validation.json` has the
questions in SQuAD's own form; `validation.spans.json` for each context where
each token starts and ends, in characters, and for each record `unique_id`, the
id of its `question`, the number of its `context`, `first` token and `length` of
its window and the window's `position` in the record.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.data.text import located_tokens
from token_dropping.data.text import tokenizer as tokenizer_lib

EXAMPLES, SPANS = ".json", ".spans.json"
_FIRST_UNIQUE_ID = 1_000_000_000  # as in Model Garden
_BLOCK = 256  # texts tokenized, or records made, at a time
_MOST_UNALIGNED = 0.01  # a stray answer is noise; many are the wrong file


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
  """What one record holds of a question (its id) and a context (its number).

  Attributes:
    question_ids: [Q] int32, tokens of the question, already cut.
    first: first token of the context that it holds.
    answer: first and last token in the context; None: not in this window.
  """

  question: str
  question_ids: np.ndarray
  context: int
  first: int
  length: int
  answer: tuple[int, int] | None = None

  @property
  def position(self) -> int:
    """Where the part of the context starts in the record."""
    return len(self.question_ids) + 2


@dataclasses.dataclass(frozen=True)
class SquadWriter:
  """Writes the records of SQuAD; windows start `doc_stride` tokens apart."""

  tokenizer: tokenizer_lib.Tokenizer
  seq_length: int
  query_length: int
  doc_stride: int

  def write_train(
    self, path: str, paragraphs: Sequence[dict], rng: np.random.Generator
  ) -> dict:
    """Writes training records, in random order; returns counts for the card.

    A question is trained on its first answer that stands in the context where
    it says. One that has answers but none there is left out as `unaligned`.
    """
    contexts, windows, counts = self._windows(paragraphs, train=True)
    windows = [windows[i] for i in rng.permutation(len(windows))]
    blocks = self._blocks(windows, contexts)
    return counts | {"records": records.write_records(path, blocks)}

  def write_validation(self, stem: str, paragraphs: Sequence[dict]) -> dict:
    """Writes records to predict, and what scoring needs, to stem and ending."""
    contexts, windows, counts = self._windows(paragraphs, train=False)
    blocks = self._blocks(windows, contexts)
    number = records.write_records(f"{stem}.tfrecord", blocks)
    articles = {"data": [{"paragraphs": paragraphs}]}
    files.write(f"{stem}{EXAMPLES}", json.dumps(articles) + "\n")
    spans = _spans(contexts, windows)
    files.write(f"{stem}{SPANS}", json.dumps(spans) + "\n")
    return counts | {"records": number}

  def _windows(self, paragraphs, train: bool):
    texts = [paragraph["context"] for paragraph in paragraphs]
    contexts = []
    for batch in _batches(texts):
      contexts += located_tokens.locate(batch, self.tokenizer)
    for text, tokens in zip(texts, contexts, strict=True):
      errors.require(
        len(tokens) > 0,
        "contexts must hold at least one token",
        errors.shorten(text),
      )
    asked = [
      (number, question)
      for number, paragraph in enumerate(paragraphs)
      for question in paragraph["qas"]
    ]
    questions = tf.constant([question["question"] for _, question in asked])
    question_ids = self.tokenizer.tokenize(questions).to_list()
    windows, unaligned = [], []
    for (number, question), ids in zip(asked, question_ids, strict=True):
      name, tokens = question["id"], contexts[number]
      answer = find_answer(question, texts[number], tokens)
      if question["answers"] and answer is None:
        unaligned.append(name)
        if train:
          continue
      ids = np.array(ids[: self.query_length], np.int32)
      room = self.seq_length - len(ids) - 3
      for first, length in split_windows(len(tokens), room, self.doc_stride):
        whole = answer and first <= answer[0] and answer[1] < first + length
        inside = answer if whole else None
        windows.append(Window(name, ids, number, first, length, inside))
    if train and len(unaligned) > _MOST_UNALIGNED * len(asked):
      raise errors.UserError(
        "of 100 training questions 99 must have an answer that stands in the "
        f"context at its answer_start. Received: {len(unaligned)} of "
        f"{len(asked)} without, the first {unaligned[0]!r}"
      )
    answers = [len(question["answers"]) for _, question in asked]
    counts = {
      "examples": len(asked),
      "labelled": True,
      "impossible": answers.count(0),
      "several_answers": sum(number > 1 for number in answers),
      "unaligned": len(unaligned),
      "cut_questions": sum(len(i) > self.query_length for i in question_ids),
    }
    return contexts, windows, counts

  def _blocks(self, windows, contexts) -> Iterator[dict[str, np.ndarray]]:
    special_ids = self.tokenizer.vocab.special_ids
    number = _FIRST_UNIQUE_ID
    for block in _batches(windows):
      rows = [
        window_features(
          window, contexts[window.context].ids, special_ids, self.seq_length
        )
        for window in block
      ]
      yield {
        "unique_ids": number + np.arange(len(block))[:, None],
        **{name: np.stack([row[name] for row in rows]) for name in rows[0]},
      }
      number += len(block)


def split_windows(tokens: int, room: int, stride: int) -> Iterator[tuple]:
  """Yields first token and length of each window of a context.

  `room` is the most tokens of a window; the stride is at most that, too.

  >>> list(split_windows(10, room=5, stride=3))
  [(0, 5), (3, 5), (6, 4)]
  """
  first = 0
  while first + room < tokens:
    yield first, room
    first += stride
  yield first, tokens - first


def find_answer(
  question: dict, context: str, tokens: located_tokens.LocatedTokens
) -> tuple[int, int] | None:
  """Returns first and last token of the first answer that is where it says."""
  for answer in question["answers"]:
    text, start = answer["text"], answer["answer_start"]
    end = start + len(text)
    if start >= 0 and text.strip() and context[start:end] == text:
      return tokens.span(start, end)
  return None


def window_features(
  window: Window,
  context_ids: np.ndarray,
  special_ids: dict[str, int],
  seq_length: int,
) -> dict[str, np.ndarray]:
  """Returns inputs [S] and targets [1] of a record, by Model Garden's names.

  Without an answer the target is `[CLS]`, at 0.
  """
  cls, sep = [special_ids[vocabulary.CLS]], [special_ids[vocabulary.SEP]]
  part = context_ids[window.first : window.first + window.length]
  ids = np.concatenate([cls, window.question_ids, sep, part, sep])
  padded = np.full([seq_length], special_ids[vocabulary.PAD], np.int64)
  padded[: len(ids)] = ids
  place = np.arange(seq_length)
  mask = place < len(ids)
  start, end = 0, 0
  if window.answer is not None:
    shift = window.position - window.first
    start, end = (token + shift for token in window.answer)
  return {
    "input_ids": padded,
    "input_mask": mask.astype(np.int64),
    "segment_ids": (mask & (place >= window.position)).astype(np.int64),
    "start_positions": np.array([start]),
    "end_positions": np.array([end]),
    "is_impossible": np.array([int(window.answer is None)]),
  }


def _batches(items: Sequence) -> Iterator[Sequence]:
  for start in range(0, len(items), _BLOCK):
    yield items[start : start + _BLOCK]


def _spans(contexts, windows: Sequence[Window]) -> dict:
  return {
    "contexts": [
      {"starts": tokens.starts.tolist(), "ends": tokens.ends.tolist()}
      for tokens in contexts
    ],
    "windows": [
      {
        "unique_id": _FIRST_UNIQUE_ID + number,
        "question": window.question,
        "context": window.context,
        "first": window.first,
        "length": window.length,
        "position": window.position,
      }
      for number, window in enumerate(windows)
    ],
  }
