# SPDX-License-Identifier: Apache-2.0
"""Records of SQuAD: those of Model Garden, and what scoring needs."""

import json
import re

import numpy as np
import pytest
from official.nlp.data import question_answering_dataloader
from official.nlp.data import squad_lib

from tests import finetune_testing
from tests import testing
from token_dropping.data.finetuning import squad
from token_dropping.data.finetuning import squad_records
from token_dropping.data.text import located_tokens

CONTEXT = "The cats sat on the mat (in Paris). The dog ran, the cat ran."
LENGTH, QUERY, STRIDE = 16, 4, 5
QUESTIONS = [
  finetune_testing.question("1", "Where is the mat?", ("in Paris", 25)),
  finetune_testing.question("2", "who ran in France on the mat", ("dog", 40)),
  finetune_testing.question("3", "who is in france?"),
]


def _writer():
  tokenizer = finetune_testing.tokenizer()
  return squad_records.SquadWriter(tokenizer, LENGTH, QUERY, STRIDE)


def _paragraphs(folder, questions=QUESTIONS):
  path = folder / "squad.json"
  finetune_testing.write_squad(path, ("A mat.", []), (CONTEXT, questions))
  return squad.read_json(str(path), "train_file", impossible=True)


def _write_train(folder, questions=QUESTIONS):
  rng = np.random.default_rng(0)
  paragraphs = _paragraphs(folder, questions)
  return _writer().write_train(str(folder / "ours"), paragraphs, rng)


def _read(path) -> list[dict]:
  found = finetune_testing.read(path)
  return sorted(found, key=lambda record: record["input_ids"])


def test_training_records_are_those_of_model_garden(tmp_path):
  counts = _write_train(tmp_path)
  squad_lib.generate_tf_record_from_json_file(
    str(tmp_path / "squad.json"),
    finetune_testing.write_vocabulary(tmp_path),
    str(tmp_path / "theirs"),
    max_seq_length=LENGTH,
    max_query_length=QUERY,
    doc_stride=STRIDE,
    version_2_with_negative=True,
  )
  theirs, ours = _read(tmp_path / "theirs"), _read(tmp_path / "ours")
  assert counts["records"] == len(ours) > 6
  for record in (*ours, *theirs):
    del record["unique_ids"]  # ours are in random order
    for name in ("class_index", "paragraph_mask"):  # of XLNet
      record.pop(name, None)
  assert ours == theirs
  assert any(record["is_impossible"] == [0] for record in ours)


def test_counts(tmp_path):
  questions = [
    finetune_testing.question("1", "who?", ("cats", 0), ("cats", 4)),
    finetune_testing.question("2", "who ran on the mat?"),
  ]
  assert _write_train(tmp_path, questions) == {
    "examples": 2,
    "labelled": True,
    "impossible": 1,
    "several_answers": 1,
    "unaligned": 0,
    "cut_questions": 1,
    "records": 7,
  }


def test_answers_that_are_not_in_their_place(tmp_path):
  questions = [
    finetune_testing.question(f"{i}", "who", ("The cats" if i < 99 else "a", 0))
    for i in range(101)
  ]
  # A stray one is left out.
  counts = _write_train(tmp_path, questions[:100])
  assert (counts["examples"], counts["unaligned"]) == (100, 1)
  assert len(_read(tmp_path / "ours")) == counts["records"] == 99 * 3
  message = testing.refused(_write_train, tmp_path, questions)
  assert re.search("99 must .* Received: 2 of 101 .* the first '99'", message)
  # In validation it still counts.
  paragraphs = _paragraphs(tmp_path, questions[99:])
  counts = _writer().write_validation(str(tmp_path / "a"), paragraphs)
  assert (counts["unaligned"], counts["records"]) == (2, 6)


def test_a_context_without_tokens_is_refused(tmp_path):
  asked = finetune_testing.question("1", "who")
  paragraph = {"context": "\u200b", "qas": [asked]}
  write = _writer().write_validation
  message = testing.refused(write, str(tmp_path / "a"), [paragraph])
  assert "at least one token. Received: " in message


def test_what_scoring_needs_fits_the_records(tmp_path):
  paragraphs = _paragraphs(tmp_path)
  _writer().write_validation(str(tmp_path / "validation"), paragraphs)
  examples = json.loads((tmp_path / "validation.json").read_text())
  assert examples == {"data": [{"paragraphs": paragraphs}]}
  spans = json.loads((tmp_path / "validation.spans.json").read_text())
  found = finetune_testing.read(tmp_path / "validation.tfrecord")
  assert len(found) == len(spans["windows"])
  starts, ends = (spans["contexts"][1][key] for key in ("starts", "ends"))
  for record, window in zip(found, spans["windows"], strict=True):
    assert record["unique_ids"] == [window["unique_id"]]
    assert window["context"] == 1
    ids = record["input_ids"][window["position"] :]
    for i in range(window["length"]):
      token = window["first"] + i
      piece = finetune_testing.VOCAB.tokens[ids[i]]
      text = CONTEXT[starts[token] : ends[token]]
      assert text.lower() == piece.removeprefix("##")
  questions = [window["question"] for window in spans["windows"]]
  assert questions == sorted("123" * 4)


@pytest.mark.parametrize("train", [True, False])
def test_model_garden_reads_the_records(tmp_path, train):
  paragraphs = _paragraphs(tmp_path)
  _writer().write_validation(str(tmp_path / "validation"), paragraphs)
  path = str(tmp_path / "validation.tfrecord")
  config = question_answering_dataloader.QADataConfig(
    input_path=path, global_batch_size=2, is_training=train, seq_length=LENGTH
  )
  loader = question_answering_dataloader.QuestionAnsweringDataLoader(config)
  inputs, targets = next(iter(loader.load()))
  names = {"input_word_ids", "input_mask", "input_type_ids"}
  assert set(inputs) == names | (set() if train else {"unique_ids"})
  wanted = {"start_positions", "end_positions"} if train else set()
  assert set(targets) == wanted


@pytest.mark.parametrize(
  ("tokens", "room", "stride", "expected"),
  [
    (3, 5, 2, [(0, 3)]),
    (5, 5, 2, [(0, 5)]),
    (6, 5, 2, [(0, 5), (2, 4)]),
    (8, 4, 4, [(0, 4), (4, 4)]),
    (9, 4, 1, [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (5, 4)]),
  ],
)
def test_windows(tokens, room, stride, expected):
  windows = squad_records.split_windows(tokens, room, stride)
  assert list(windows) == expected


@pytest.mark.parametrize(
  ("answers", "expected"),
  [
    ([("The cats", 0)], (0, 2)),
    ([("cat", 4)], (1, 1)),  # the pieces are "cat" and "##s"
    ([("sat", 0), ("sat", 9)], (3, 3)),  # the first is not where it says
    ([("sat", 900)], None),
    ([("mat", -4)], None),
    ([("dog", 0)], None),
    ([(" ", 3)], None),
    ([("", 0)], None),
    ([], None),
  ],
)
def test_first_answer_in_its_place(answers, expected):
  question = finetune_testing.question("1", "", *answers)
  (tokens,) = located_tokens.locate([CONTEXT], finetune_testing.tokenizer())
  assert squad_records.find_answer(question, CONTEXT, tokens) == expected


@pytest.mark.parametrize(
  ("answer", "targets"), [((3, 4), [[6], [7], [0]]), (None, [[0], [0], [1]])]
)
def test_features_by_hand(answer, targets):
  question_ids = np.array(finetune_testing.ids("who sat ?"))
  window = squad_records.Window("1", question_ids, 0, 2, 3, answer)
  context_ids = np.array(finetune_testing.ids("the cat ##s sat on the mat ."))
  features = squad_records.window_features(
    window, context_ids, finetune_testing.VOCAB.special_ids, 12
  )
  expected = "[CLS] who sat ? [SEP] ##s sat on [SEP] [PAD] [PAD] [PAD]"
  assert features["input_ids"].tolist() == finetune_testing.ids(expected)
  assert features["input_mask"].tolist() == [1] * 9 + [0] * 3
  assert features["segment_ids"].tolist() == [0] * 5 + [1] * 4 + [0] * 3
  names = ("start_positions", "end_positions", "is_impossible")
  assert [features[name].tolist() for name in names] == targets
