# SPDX-License-Identifier: Apache-2.0
"""SQuAD 1.1 and 2.0 (Rajpurkar et al., 2016 and 2018): JSON or TFDS."""

import dataclasses
import json
from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.data.finetuning import text_tables
from token_dropping.data.finetuning import tfds_examples


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
  """An answer: its text and the character at which it starts."""

  text: str
  start: int


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
  """A question; one that is impossible to answer has no answers."""

  id: str
  text: str
  answers: tuple[Answer, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Paragraph:
  """A text and the questions about it."""

  context: str
  questions: tuple[Question, ...]


def read_json(path: str, name: str, impossible: bool) -> list[Paragraph]:
  """Reads a file as SQuAD distributes it.

  Args:
    path: the file.
    name: of the flag that gave it, for messages.
    impossible: whether questions may have no answer (SQuAD 2.0).

  Raises:
    UserError: not readable, not JSON, not of this form, or no question in it.
  """
  try:
    content = json.loads(text_tables.read_text(path, name))
  except json.JSONDecodeError as error:
    raise errors.UserError(
      f"{name} must be JSON. Received: {path!r} ({error})"
    ) from error
  try:
    paragraphs = [
      Paragraph(
        _text(paragraph["context"]), tuple(map(_question, paragraph["qas"]))
      )
      for article in content["data"]
      for paragraph in article["paragraphs"]
    ]
  except (KeyError, TypeError, AttributeError, ValueError) as error:
    raise errors.UserError(
      f"{name} must have the form of SQuAD: data, paragraphs, context, qas "
      f"with id, question, answers. Received: {path!r} ({type(error).__name__} "
      f"{error})"
    ) from error
  _check_paragraphs(paragraphs, path, impossible)
  return paragraphs


def read_tfds(builder, split: str, impossible: bool) -> list[Paragraph]:
  """Reads a split of `squad/...` of TensorFlow Datasets; as `read_json`."""
  questions: dict[str, list[Question]] = {}
  for example in tfds_examples.read_split(builder, split):
    listed = example["answers"]
    answers = zip(listed["text"], listed["answer_start"], strict=True)
    if example.get("is_impossible", False):
      answers = ()
    questions.setdefault(example["context"].decode(), []).append(
      Question(
        example["id"].decode(),
        example["question"].decode(),
        tuple(Answer(text.decode(), int(start)) for text, start in answers),
      )
    )
  paragraphs = [Paragraph(text, tuple(q)) for text, q in questions.items()]
  _check_paragraphs(paragraphs, f"{builder.info.full_name}:{split}", impossible)
  return paragraphs


def to_articles(paragraphs: Iterable[Paragraph]) -> list[dict]:
  """Returns paragraphs as the `data` of SQuAD's JSON, which scorers take."""
  contents = [
    {
      "context": paragraph.context,
      "qas": [_question_json(question) for question in paragraph.questions],
    }
    for paragraph in paragraphs
  ]
  return [{"paragraphs": contents}]


def _question_json(question: Question) -> dict:
  return {
    "id": question.id,
    "question": question.text,
    "is_impossible": not question.answers,
    "answers": [
      {"text": answer.text, "answer_start": answer.start}
      for answer in question.answers
    ],
  }


def _question(content: dict) -> Question:
  # SQuAD 2.0 says "is_impossible", and then may list plausible wrong answers.
  answers = [] if content.get("is_impossible") else content["answers"]
  return Question(
    _text(content["id"]),
    _text(content["question"]),
    tuple(Answer(_text(a["text"]), int(a["answer_start"])) for a in answers),
  )


def _text(value) -> str:
  if not isinstance(value, str):
    raise TypeError(f"{errors.shorten(value)} is not a text")
  return value


def _check_paragraphs(
  paragraphs: list[Paragraph], where: str, impossible: bool
) -> None:
  ids: set[str] = set()
  for paragraph in paragraphs:
    errors.require(
      paragraph.context.strip(),
      "contexts must hold text",
      f"an empty one in {where}",
    )
    for question in paragraph.questions:
      errors.require(
        question.id not in ids,
        "ids of questions must be unique",
        f"{question.id!r} twice in {where}",
      )
      ids.add(question.id)
      errors.require(
        question.answers or impossible,
        "questions of squad_v1.1 must have an answer (squad_v2.0 allows none)",
        f"{question.id!r} of {where} without one",
      )
  errors.require(
    ids, "SQuAD must hold at least one question", f"{where} without any"
  )
