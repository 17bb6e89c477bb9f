# SPDX-License-Identifier: Apache-2.0
"""Tests for squad_records."""

import json

import numpy as np
import pytest
from official.nlp.data import question_answering_dataloader
from official.nlp.data import squad_lib

from tests import finetune_testing
from token_dropping.common import errors
from token_dropping.data import records
from token_dropping.data.finetuning import squad
from token_dropping.data.finetuning import squad_records

CONTEXT = "The cats sat on the mat (in Paris). The dog ran, the cat ran."
LENGTH, QUERY, STRIDE = 16, 4, 5
QUESTIONS = [
  finetune_testing.question("1", "Where is the mat?", ("in Paris", 25)),
  finetune_testing.question("2", "who ran in France on the mat", ("dog", 40)),
  finetune_testing.question("3", "who is in france?"),
]


def _writer():
  return squad_records.SquadWriter(
    tokenizer=finetune_testing.tokenizer(),
    seq_length=LENGTH,
    query_length=QUERY,
    doc_stride=STRIDE,
  )


def _json(tmp_path, questions=QUESTIONS):
  path = tmp_path / "squad.json"
  finetune_testing.write_squad(path, ("A mat.", []), (CONTEXT, questions))
  return str(path)


def _paragraphs(tmp_path, questions=QUESTIONS):
  path = _json(tmp_path, questions)
  return squad.read_json(path, "train_file", impossible=True)


def _read(path, key):
  found = records.read_records(str(path))
  return sorted(
    ({k: v.tolist() for k, v in record.items()} for record in found),
    key=lambda record: record[key],
  )


def test_training_records_are_those_of_model_garden(tmp_path):
  path = str(tmp_path / "theirs")
  squad_lib.generate_tf_record_from_json_file(
    _json(tmp_path),
    finetune_testing.write_vocabulary(tmp_path),
    path,
    max_seq_length=LENGTH,
    max_query_length=QUERY,
    doc_stride=STRIDE,
    version_2_with_negative=True,
  )
  counts = _writer().write_train(
    str(tmp_path / "ours"),
    _paragraphs(tmp_path),
    np.random.default_rng(0),
  )
  theirs, ours = (
    _read(tmp_path / name, "input_ids") for name in ("theirs", "ours")
  )
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
  counts = _writer().write_train(
    str(tmp_path / "a"),
    _paragraphs(tmp_path, questions),
    np.random.default_rng(0),
  )
  assert counts == {
    "examples": 2,
    "labelled": True,
    "impossible": 1,
    "several_answers": 1,
    "unaligned": 0,
    "cut_questions": 1,
    "records": 7,
  }


def test_the_first_answer_in_its_place_is_trained(tmp_path):
  question = finetune_testing.question("1", "", ("mat", 0), ("dog", 40))
  writer = squad_records.SquadWriter(finetune_testing.tokenizer(), 64, 4, 57)
  writer.write_train(
    str(tmp_path / "a"),
    _paragraphs(tmp_path, [question]),
    np.random.default_rng(0),
  )
  (record,) = records.read_records(str(tmp_path / "a"))
  start = int(record["start_positions"][0])
  assert record["input_ids"][start] == finetune_testing.VOCAB.id("dog")


def _many(unaligned):
  good = [
    finetune_testing.question(str(i), "who", ("The cats", 0)) for i in range(99)
  ]
  bad = [
    finetune_testing.question(f"bad{i}", "who", ("The dog", 0))
    for i in range(unaligned)
  ]
  return good + bad


def test_a_question_whose_answer_is_not_there_is_left_out(tmp_path):
  counts = _writer().write_train(
    str(tmp_path / "a"),
    _paragraphs(tmp_path, _many(1)),
    np.random.default_rng(0),
  )
  assert (counts["examples"], counts["unaligned"]) == (100, 1)
  ids = np.stack(
    [r["unique_ids"] for r in records.read_records(tmp_path / "a")]
  )
  assert len(ids) == 99 * 3


def test_many_such_questions_are_refused(tmp_path):
  message = "99 must have an answer .* Received: 2 of 101 .* the first 'bad0'"
  with pytest.raises(errors.UserError, match=message):
    _writer().write_train(
      str(tmp_path / "a"),
      _paragraphs(tmp_path, _many(2)),
      np.random.default_rng(0),
    )


def test_a_context_without_tokens_is_refused(tmp_path):
  paragraph = squad.Paragraph("\u200b", (squad.Question("1", "who", ()),))
  with pytest.raises(errors.UserError, match="at least one token. Received: "):
    _writer().write_train(
      str(tmp_path / "a"), [paragraph], np.random.default_rng(0)
    )


def test_what_scoring_needs_fits_the_records(tmp_path):
  paragraphs = _paragraphs(tmp_path)
  _writer().write_validation(str(tmp_path / "validation"), paragraphs)
  examples = json.loads((tmp_path / "validation.json").read_text())
  assert examples == {"data": squad.to_articles(paragraphs)}
  spans = json.loads((tmp_path / "validation.spans.json").read_text())
  found = list(records.read_records(str(tmp_path / "validation.tfrecord")))
  assert len(found) == len(spans["windows"])
  starts, ends = (spans["contexts"][1][key] for key in ("starts", "ends"))
  for record, window in zip(found, spans["windows"], strict=True):
    assert record["unique_ids"].tolist() == [window["unique_id"]]
    assert window["context"] == 1
    for i in range(window["length"]):
      token = window["first"] + i
      piece = finetune_testing.VOCAB.tokens[
        record["input_ids"][window["position"] + i]
      ]
      text = CONTEXT[starts[token] : ends[token]]
      assert text.lower() == piece.removeprefix("##")
  questions = [window["question"] for window in spans["windows"]]
  assert questions == ["1"] * 4 + ["2"] * 4 + ["3"] * 4


def test_a_validation_answer_that_is_not_there_still_counts(tmp_path):
  question = finetune_testing.question("1", "who", ("a bird", 0))
  counts = _writer().write_validation(
    str(tmp_path / "validation"), _paragraphs(tmp_path, [question])
  )
  assert (counts["unaligned"], counts["records"]) == (1, 3)


@pytest.mark.parametrize("train", [True, False])
def test_model_garden_reads_the_records(tmp_path, train):
  paragraphs = _paragraphs(tmp_path)
  path = str(tmp_path / "validation.tfrecord")
  _writer().write_validation(str(tmp_path / "validation"), paragraphs)
  config = question_answering_dataloader.QADataConfig(
    input_path=path, global_batch_size=2, is_training=train, seq_length=LENGTH
  )
  loader = question_answering_dataloader.QuestionAnsweringDataLoader(config)
  inputs, targets = next(iter(loader.load()))
  names = {"input_word_ids", "input_mask", "input_type_ids"}
  assert set(inputs) == names | (set() if train else {"unique_ids"})
  wanted = {"start_positions", "end_positions"} if train else set()
  assert set(targets) == wanted
