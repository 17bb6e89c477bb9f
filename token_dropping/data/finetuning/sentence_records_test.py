# SPDX-License-Identifier: Apache-2.0
"""Tests for sentence_records."""

import numpy as np
import pytest
from official.nlp.data import sentence_prediction_dataloader

from tests import finetune_testing
from token_dropping.data import records
from token_dropping.data.finetuning import sentence_records
from token_dropping.data.finetuning import sentence_sources

_ids = finetune_testing.ids
EXAMPLES = [
  sentence_sources.Example(("The cat sat.", "dogs"), 1, 7),
  sentence_sources.Example(("the the the the", "ran on the mat"), 0, 8),
]


def _write(path, examples, regression=False, rng=None, seq_length=9):
  split = sentence_sources.Split(examples, labelled=True, short_rows=3)
  tokenizer = finetune_testing.tokenizer()
  return sentence_records.write(
    str(path), split, tokenizer, seq_length, regression, rng
  )


def _read(path) -> list[dict]:
  found = records.read_records(str(path))
  return [{k: v.tolist() for k, v in record.items()} for record in found]


def test_pairs_by_hand(tmp_path):
  assert _write(tmp_path / "a", EXAMPLES) == {
    "examples": 2,
    "records": 2,
    "labelled": True,
    "truncated": 1,
    "short_rows": 3,
  }
  first, second = _read(tmp_path / "a")
  assert first == {
    "input_ids": _ids("[CLS] the cat sat . [SEP] dog ##s [SEP]"),
    "input_mask": [1] * 9,
    "segment_ids": [0] * 6 + [1] * 3,
    "label_ids": [1],
    "example_id": [7],
  }
  assert second["input_ids"] == _ids("[CLS] the the the [SEP] ran on the [SEP]")


def test_one_text_is_padded(tmp_path):
  _write(tmp_path / "a", [sentence_sources.Example(("Cat?",), 0, 0)])
  (record,) = _read(tmp_path / "a")
  assert record["input_ids"] == _ids("[CLS] cat ? [SEP]") + [0] * 5
  assert record["input_mask"] == [1] * 4 + [0] * 5
  assert record["segment_ids"] == [0] * 9


@pytest.mark.parametrize(("words", "truncated"), [(7, 0), (8, 1)])
def test_what_just_fits_is_not_truncated(tmp_path, words, truncated):
  example = sentence_sources.Example((" ".join(["the"] * words),), 0, 0)
  assert _write(tmp_path / "a", [example])["truncated"] == truncated


@pytest.mark.parametrize(
  ("labels", "label_type"), [([1, 0], "int"), ([1.5, 3.0], "float")]
)
def test_model_garden_reads_the_records(tmp_path, labels, label_type):
  examples = [sentence_sources.Example(("the",), label, 7) for label in labels]
  _write(tmp_path / "a", examples, regression=label_type == "float")
  config = sentence_prediction_dataloader.SentencePredictionDataConfig(
    input_path=str(tmp_path / "a"),
    global_batch_size=2,
    is_training=False,
    seq_length=9,
    include_example_id=True,
    label_type=label_type,
  )
  loader = sentence_prediction_dataloader.SentencePredictionDataLoader(config)
  batch = next(iter(loader.load()))
  assert sorted(batch) == [
    *("example_id", "input_mask", "input_type_ids"),
    *("input_word_ids", "label_ids"),
  ]
  assert batch["label_ids"].numpy().tolist() == labels
  assert batch["example_id"].numpy().tolist() == [7, 7]


def test_shuffling_changes_the_order_only(tmp_path):
  examples = [sentence_sources.Example(("the",), 0, i) for i in range(50)]
  _write(tmp_path / "a", examples)
  _write(tmp_path / "b", examples, rng=np.random.default_rng(0))
  orders = [[r["example_id"][0] for r in _read(tmp_path / n)] for n in "ab"]
  assert orders[0] == list(range(50)) == sorted(orders[1])
  assert orders[1] != orders[0]
