# SPDX-License-Identifier: Apache-2.0
"""SQuAD -> records as Model Garden reads them, and what scoring needs.

Beside `validation.tfrecord` lie `validation.json`, contexts, questions and all
answers in SQuAD's own form, and `validation.spans.json`: for each context the
first character and the end of each token, for each record its `unique_id`, the
id of its `question`, the number of its `context`, the `first` token of its
window, the `length` of the window and its `position` in the record.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.data import records
from token_dropping.data.finetuning import squad
from token_dropping.data.finetuning import squad_windows
from token_dropping.data.text import located_tokens
from token_dropping.data.text import tokenizer as tokenizer_lib

EXAMPLES, SPANS = ".json", ".spans.json"
_BLOCK = 256  # texts tokenized, or records made, at a time
_MOST_UNALIGNED = 0.01  # a stray answer is noise; many are the wrong file


@dataclasses.dataclass(frozen=True)
class SquadWriter:
  """Writes the records of SQuAD.

  Attributes:
    tokenizer: makes the ids.
    seq_length: int, S.
    query_length: int, most tokens of a question.
    doc_stride: int, tokens between the starts of two windows.
  """

  tokenizer: tokenizer_lib.Tokenizer
  seq_length: int
  query_length: int
  doc_stride: int

  def write_train(
    self,
    path: str,
    paragraphs: Sequence[squad.Paragraph],
    rng: np.random.Generator,
  ) -> dict:
    """Writes training records, in random order.

    A question is trained on the first of its answers that stands in the context
    where it says. One that has answers and none of them there is left out.

    Args:
      path: of the records.
      paragraphs: contexts with questions.
      rng: draws the order.

    Returns:
      Counts for the card: `examples`, questions; `records`, their windows;
      `impossible`, questions without answer; `several_answers`, questions of
      which only one answer was used; `unaligned`, questions left out;
      `cut_questions`; `labelled`.

    Raises:
      UserError: more than one question in a hundred would be left out.
    """
    contexts, items, counts = self._items(paragraphs, train=True)
    order = rng.permutation(len(items))
    counts["records"] = records.write_records(
      path, self._blocks([items[i] for i in order], contexts)
    )
    return counts

  def write_validation(
    self, stem: str, paragraphs: Sequence[squad.Paragraph]
  ) -> dict:
    """Writes records to predict, and what scoring needs.

    Args:
      stem: of the files' paths, without their endings.
      paragraphs: contexts with questions and all their answers.

    Returns:
      Counts for the card, as `write_train`.
    """
    contexts, items, counts = self._items(paragraphs, train=False)
    counts["records"] = records.write_records(
      f"{stem}.tfrecord", self._blocks(items, contexts)
    )
    _write_json(f"{stem}{EXAMPLES}", {"data": squad.to_articles(paragraphs)})
    _write_json(f"{stem}{SPANS}", _spans(contexts, items))
    return counts

  def _items(self, paragraphs, train: bool):
    """Returns the tokens of the contexts, what records hold, and counts."""
    contexts = self._contexts([paragraph.context for paragraph in paragraphs])
    asked = [
      (number, question)
      for number, paragraph in enumerate(paragraphs)
      for question in paragraph.questions
    ]
    question_ids = self._ids([question.text for _, question in asked])
    items, unaligned = [], []
    for (number, question), ids in zip(asked, question_ids, strict=True):
      answer = squad_windows.find_answer(
        question, paragraphs[number].context, contexts[number]
      )
      if question.answers and answer is None:
        unaligned.append(question.id)
        if train:
          continue
      cut = ids[: self.query_length]
      items += self._windows(question, number, cut, contexts[number], answer)
    if train:
      _check_aligned(unaligned, len(asked))
    answers = [len(question.answers) for _, question in asked]
    counts = {
      "examples": len(asked),
      "labelled": True,
      "impossible": answers.count(0),
      "several_answers": sum(number > 1 for number in answers),
      "unaligned": len(unaligned),
      "cut_questions": sum(len(i) > self.query_length for i in question_ids),
    }
    return contexts, items, counts

  def _contexts(self, texts) -> list[located_tokens.LocatedTokens]:
    found = []
    for batch in _batches(texts):
      found += located_tokens.locate(batch, self.tokenizer)
    for text, tokens in zip(texts, found, strict=True):
      if not len(tokens):
        raise errors.UserError(
          "contexts must hold at least one token. Received: "
          f"{errors.shorten(text)}"
        )
    return found

  def _ids(self, texts) -> list[np.ndarray]:
    return [
      np.array(row, np.int32)
      for batch in _batches(texts)
      for row in self.tokenizer.tokenize(tf.constant(batch)).to_list()
    ]

  def _windows(
    self, question, context: int, ids, tokens, answer
  ) -> Iterator[squad_windows.Item]:
    room = self.seq_length - len(ids) - 3
    for window in squad_windows.split_windows(
      len(tokens), room, self.doc_stride
    ):
      yield squad_windows.Item(
        question.id, context, ids, window, squad_windows.inside(answer, window)
      )

  def _blocks(self, items, contexts) -> Iterator[dict[str, np.ndarray]]:
    special_ids = self.tokenizer.vocab.special_ids
    for start in range(0, len(items), _BLOCK):
      block = items[start : start + _BLOCK]
      rows = [
        squad_windows.features(
          item, contexts[item.context], special_ids, self.seq_length
        )
        for item in block
      ]
      numbers = np.arange(start, start + len(block))[:, None]
      yield {
        "unique_ids": squad_windows.FIRST_UNIQUE_ID + numbers,
        **{name: np.stack([row[name] for row in rows]) for name in rows[0]},
      }


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
  for start in range(0, len(texts), _BLOCK):
    yield texts[start : start + _BLOCK]


def _check_aligned(unaligned: list[str], questions: int) -> None:
  if len(unaligned) > _MOST_UNALIGNED * questions:
    raise errors.UserError(
      "of 100 training questions 99 must have an answer that stands in the "
      f"context at its answer_start. Received: {len(unaligned)} of {questions} "
      f"without, the first {unaligned[0]!r}"
    )


def _spans(contexts, items) -> dict:
  return {
    "contexts": [
      {"starts": tokens.starts.tolist(), "ends": tokens.ends.tolist()}
      for tokens in contexts
    ],
    "windows": [
      {
        "unique_id": squad_windows.FIRST_UNIQUE_ID + number,
        "question": item.question,
        "context": item.context,
        "first": item.window.first,
        "length": item.window.length,
        "position": item.position,
      }
      for number, item in enumerate(items)
    ],
  }


def _write_json(path: str, content: dict) -> None:
  with tf.io.gfile.GFile(path, "w") as file:
    file.write(json.dumps(content) + "\n")
