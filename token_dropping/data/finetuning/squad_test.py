# SPDX-License-Identifier: Apache-2.0
"""SQuAD's JSON and TensorFlow Datasets; what has another form."""

import re
import types

import pytest

from tests import finetune_testing
from tests import testing
from token_dropping.data.finetuning import squad

CONTEXT = "The cat sat."
WHO = finetune_testing.question("1", "who sat?", ("The cat", 0), ("cat", 4))
QUESTIONS = [WHO, finetune_testing.question("2", "who ran?")]


def _read(folder, questions, impossible=True, context=CONTEXT):
  path = finetune_testing.write_squad(folder / "a.json", (context, questions))
  return squad.read_json(path, "train_file", impossible)


def test_json(tmp_path):
  paragraph = {"context": CONTEXT, "qas": QUESTIONS}
  assert _read(tmp_path, QUESTIONS) == [paragraph]
  # Plausible answers of an impossible question are none.
  asked = WHO | {"is_impossible": True}
  assert _read(tmp_path, [asked])[0]["qas"] == [asked | {"answers": []}]
  # SQuAD 1.1 says nothing of impossible questions.
  asked = {k: v for k, v in WHO.items() if k != "is_impossible"}
  assert _read(tmp_path, [asked], impossible=False)[0]["qas"] == [WHO]


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
  rows = [
    _row("1", CONTEXT, "who sat?", ("The cat", 0), ("cat", 4)),
    _row("3", "Paris", "where?", ("Paris", 0)),
    _row("2", CONTEXT, "who ran?"),
  ]
  builder = types.SimpleNamespace(
    as_dataset=lambda **_: types.SimpleNamespace(as_numpy_iterator=lambda: rows)
  )
  builder.info = types.SimpleNamespace(full_name="squad/v2.0")
  first, second = squad.read_tfds(builder, "train", impossible=True)
  assert first == {"context": CONTEXT, "qas": QUESTIONS}
  assert second["context"] == "Paris"
  for row in rows:  # as of SQuAD 1.1
    del row["is_impossible"]
  assert squad.read_tfds(builder, "train", impossible=True)[0] == first


ANSWER = '{"text": "", "answer_start": "x"}'
QUESTION = f'{{"id": "1", "question": "", "answers": [{ANSWER}]}}'


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("{", "train_file must be JSON. Received: .*line 1"),
    ("[]", "the form of SQuAD: .* Received"),
    ("{}", "the form of SQuAD: .* 'data'"),
    ('{"data": []}', "at least one question. Received"),
    ('{"context": "a"}', "form .* 'qas'"),
    ('{"context": 1, "qas": []}', "not a text"),
    ('{"context": "a", "qas": ["x"]}', "form of SQuAD: .*AttributeError"),
    (f'{{"context": "a", "qas": [{QUESTION}]}}', "form of SQuAD: .*ValueError"),
  ],
)
def test_bad_json(tmp_path, content, message):
  if "context" in content:
    content = f'{{"data": [{{"paragraphs": [{content}]}}]}}'
  path = tmp_path / "a.json"
  path.write_text(content)
  found = testing.refused(squad.read_json, str(path), "train_file", True)
  assert re.search(message, found)


@pytest.mark.parametrize(
  ("context", "questions", "message"),
  [
    (" \n", QUESTIONS, "contexts must hold text. Received: an empty one"),
    (CONTEXT, [WHO] * 2, "must be unique. Received: '1' twice"),
    (CONTEXT, QUESTIONS, "squad_v1.1 must have an answer .*'2' of"),
  ],
)
def test_bad_questions(tmp_path, context, questions, message):
  found = testing.refused(_read, tmp_path, questions, False, context)
  assert re.search(message, found)
