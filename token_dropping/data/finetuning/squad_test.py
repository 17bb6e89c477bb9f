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


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("{", "train_file must be JSON. Received: .*line 1"),
    ('{"data": [], "data": []}', "'data' twice in an object"),
    ("[]", "train_file '.*a.json' must be an object. Received"),
    ("{}", "train_file '.*a.json' must have data. Received"),
    ('{"data": {}}', "data in train_file '.*' must be a list. Received: {}"),
    ('{"data": []}', "at least one question. Received"),
    ('{"data": "\xe9"}', "train_file must be UTF-8 text. Received"),
  ],
)
def test_bad_json(tmp_path, content, message):
  path = tmp_path / "a.json"
  path.write_text(content, "latin1")
  found = testing.refused(squad.read_json, str(path), "train_file", True)
  assert re.search(message, found)


ASKED = "data[0].paragraphs[0].qas[0]"
START = f"{ASKED}.answers[0].answer_start"


@pytest.mark.parametrize(
  ("change", "place", "rule"),
  [
    ({"is_impossible": "false"}, f"{ASKED}.is_impossible", "true or false"),
    ({"is_impossible": 0}, f"{ASKED}.is_impossible", "true or false"),
    ({"is_impossible": None}, f"{ASKED}.is_impossible", "true or false"),
    ({"id": 5}, f"{ASKED}.id", "a text"),
    ({"question": ["who"]}, f"{ASKED}.question", "a text"),
    ({"answers": ""}, f"{ASKED}.answers", "a list"),
    ({"answers": {}}, f"{ASKED}.answers", "a list"),
    ({"answers": None}, f"{ASKED}.answers", "a list"),
    ({"answers": ["cat"]}, f"{ASKED}.answers[0]", "an object"),
    *(
      ({"answers": [{"text": "cat", "answer_start": start}]}, START, "a whole")
      for start in ("4", 4.0, True, None, [4], 1e999)
    ),
  ],
)
def test_bad_types(tmp_path, change, place, rule):
  message = testing.refused(_read, tmp_path, [WHO | change])
  assert message.startswith(f"{place} in train_file '{tmp_path}/a.json' must")
  assert f" must be {rule}" in message


@pytest.mark.parametrize(
  ("said", "impossible"),
  [
    ({"answers": []}, True),  # 2.0 as others write it
    ({"is_impossible": True}, True),
    ({"is_impossible": True, "answers": []}, True),
    ({"is_impossible": False}, None),
    ({"is_impossible": False, "answers": []}, None),
    ({}, None),
  ],
)
def test_what_makes_a_question_impossible(tmp_path, said, impossible):
  asked = {"id": "1", "question": "who?"} | said
  if impossible:
    assert _read(tmp_path, [asked])[0]["qas"][0]["is_impossible"]
  else:
    message = testing.refused(_read, tmp_path, [asked])
    rule = "questions must have answers, or is_impossible true"
    assert message.startswith(f"{rule}. Received: '1' of {tmp_path}")


def test_lone_surrogates_keep_their_place(tmp_path):
  answer = finetune_testing.question("1\udc00", "who\ud800?", ("c\ud83dt", 4))
  (found,) = _read(tmp_path, [answer], context="The c\ud83dt sat.")
  expected = finetune_testing.question("1\ufffd", "who\ufffd?", ("c\ufffdt", 4))
  assert found == {"context": "The c\ufffdt sat.", "qas": [expected]}


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
