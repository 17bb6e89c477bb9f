# SPDX-License-Identifier: Apache-2.0
"""SQuAD's JSON and TensorFlow Datasets; what has another form."""

import types

import pytest

from tests import finetune_testing
from token_dropping.common import errors
from token_dropping.data.finetuning import squad

QUESTIONS = [
  finetune_testing.question("1", "who sat?", ("The cat", 0), ("cat", 4)),
  finetune_testing.question("2", "who ran?"),
]
PARAGRAPH = {"context": "The cat sat.", "qas": QUESTIONS}


def _read(path, impossible=True):
  return squad.read_json(str(path), "train_file", impossible)


def test_all_answers_are_read(tmp_path):
  path = tmp_path / "a.json"
  finetune_testing.write_squad(path, ("The cat sat.", QUESTIONS))
  assert _read(path) == [PARAGRAPH]


def test_plausible_answers_of_impossible_questions_are_none(tmp_path):
  asked = QUESTIONS[0] | {"is_impossible": True}
  path = tmp_path / "a.json"
  finetune_testing.write_squad(path, ("The cat sat.", [asked]))
  assert _read(path)[0]["qas"] == [asked | {"answers": []}]


def test_squad_1_says_nothing_of_impossible_questions(tmp_path):
  asked = {k: v for k, v in QUESTIONS[0].items() if k != "is_impossible"}
  path = tmp_path / "a.json"
  finetune_testing.write_squad(path, ("The cat sat.", [asked]))
  assert _read(path, impossible=False)[0]["qas"] == QUESTIONS[:1]


def _row(name, context, question, *answers):
  return {
    "id": name.encode(),
    "context": context.encode(),
    "question": question.encode(),
    "is_impossible": not answers,
    "answers": {
      "text": [text.encode() for text, _ in answers],
      "answer_start": [start for _, start in answers],
    },
  }


def test_questions_of_tensorflow_datasets_are_together_again():
  cat = PARAGRAPH["context"]
  rows = [
    _row("1", cat, "who sat?", ("The cat", 0), ("cat", 4)),
    _row("3", "Paris", "where?", ("Paris", 0)),
    _row("2", cat, "who ran?"),
  ]
  builder = types.SimpleNamespace(
    as_dataset=lambda **_: types.SimpleNamespace(as_numpy_iterator=lambda: rows)
  )
  builder.info = types.SimpleNamespace(full_name="squad/v2.0")
  first, second = squad.read_tfds(builder, "train", impossible=True)
  assert first == PARAGRAPH
  assert second["context"] == "Paris"


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("{", "train_file must be JSON. Received: .*line 1"),
    ("[]", "the form of SQuAD: .* Received"),
    ("{}", "the form of SQuAD: .* 'data'"),
    ('{"data": []}', "at least one question. Received"),
    ('{"data": [{"paragraphs": [{"context": "a"}]}]}', "form .* 'qas'"),
    ('{"data": [{"paragraphs": [{"context": 1, "qas": []}]}]}', "not a text"),
    (
      '{"data": [{"paragraphs": [{"context": "a", "qas": ["x"]}]}]}',
      "form of SQuAD: .*AttributeError",
    ),
    (
      '{"data": [{"paragraphs": [{"context": "a", "qas": [{"id": "1", '
      '"question": "", "answers": [{"text": "", "answer_start": "x"}]}]}]}]}',
      "form of SQuAD: .*ValueError",
    ),
  ],
)
def test_bad_json(tmp_path, content, message):
  (tmp_path / "a.json").write_text(content)
  with pytest.raises(errors.UserError, match=message) as caught:
    _read(tmp_path / "a.json")
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
  ("context", "questions", "message"),
  [
    (" \n", QUESTIONS, "contexts must hold text. Received: an empty one"),
    ("The cat", [QUESTIONS[0]] * 2, "must be unique. Received: '1' twice"),
    ("The cat", QUESTIONS, "squad_v1.1 must have an answer .*'2' of"),
  ],
)
def test_bad_questions(tmp_path, context, questions, message):
  path = tmp_path / "a.json"
  finetune_testing.write_squad(path, (context, questions))
  with pytest.raises(errors.UserError, match=message):
    _read(path, impossible=False)
