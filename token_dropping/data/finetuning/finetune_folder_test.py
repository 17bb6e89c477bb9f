# SPDX-License-Identifier: Apache-2.0
"""Tests of the folder of prepared fine-tuning data."""

import json

import pytest

from tests import testing
from token_dropping.data.finetuning import finetune_folder

SETTINGS = {"seed": 1, "text_column": "a", "second_text_column": ""}
CONTENT = {
  "task": "classification",
  "kind": "classification",
  "seq_length": 8,
  "metrics": ["accuracy"],
  "splits": {"train": {"records": 2, "labelled": True}},
  "tokenizer": {"vocab_crc32": "0"},
  "settings": SETTINGS,
  "labels": [],
  "num_classes": 1,
}


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "train.tfrecord").write_text("123456789")
  finetune_folder.write_card(str(tmp_path), CONTENT)
  return tmp_path


def test_the_card_lists_the_files(folder):
  card = {
    "format_version": 1,
    **CONTENT,
    "files": {"train.tfrecord": {"bytes": 9, "crc32": "cbf43926"}},
  }
  assert json.loads((folder / "finetune.json").read_text()) == card
  assert finetune_folder.read_card(str(folder)) == card
  assert finetune_folder.find_ready(str(folder), SETTINGS) == card
  assert finetune_folder.find_ready(str(folder), {"seed": 2}) is None


def test_earlier_data_may_be_replaced_but_no_files_of_others(folder):
  finetune_folder.check_replaceable(str(folder))
  finetune_folder.check_replaceable(str(folder / "none"))
  path = str(folder / "train.tfrecord")
  message = testing.refused(finetune_folder.check_replaceable, path)
  assert message == f"output_dir must be a folder. Received: {path!r}, a file"
  (folder / "notes.txt").write_text("mine")
  message = testing.refused(finetune_folder.check_replaceable, str(folder))
  assert "files that this command did not make. Received: " in message
  assert message.endswith(" with notes.txt")
  for name in ("train.tfrecord", "finetune.json", "notes.txt"):
    (folder / name).unlink()
  finetune_folder.check_replaceable(str(folder))


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"seq_length": "8"}, "seq_length in {} must be a whole number. Received"),
    ({"labels": "ab"}, "labels in {} must be a list. Received: 'ab'"),
    ({"splits": {"train": {}}}, "splits.train in {} must have records. Recei"),
    ({"seq_length": 2**63}, "seq_length in {} must be a whole number. Receive"),
    ({"settings": None}, "settings in {} must be an object. Received: None"),
    ({"settings": {}}, "settings in {} must have text_column. Received: "),
    ({"kind": "rank"}, "kind in {} must be one of classification, regression"),
    ({"kind": "span"}, "{} must have version_2_with_negative. Received: "),
    ({"files": {"a": 5}}, "made, with finetune.json. Received"),
  ],
)
def test_a_card_of_another_form(folder, changes, message):
  path = folder / "finetune.json"
  testing.write_json(path, json.loads(path.read_text()) | changes)
  found = testing.refused(finetune_folder.read_card, str(folder))
  assert message.format(path) in found


@pytest.mark.parametrize(
  ("name", "content", "message"),
  [
    ("finetune.json", None, "with finetune.json. Received"),
    ("finetune.json", '{"files": {}}', "format_version 1. Received: None in"),
    ("train.tfrecord", "1", "as finetune.json says. Received: 1 bytes"),
    ("train.tfrecord", None, "as finetune.json says. Received: no such file"),
  ],
)
def test_a_changed_folder(folder, name, content, message):
  (folder / name).unlink()
  if content:
    (folder / name).write_text(content)
  assert message in testing.refused(finetune_folder.read_card, str(folder))
  assert finetune_folder.find_ready(str(folder), {"seed": 1}) is None
