# SPDX-License-Identifier: Apache-2.0
"""Tests of the folder of prepared fine-tuning data."""

import json

import pytest

from token_dropping.common import errors
from token_dropping.data.finetuning import finetune_folder


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "train.tfrecord").write_text("123456789")
  finetune_folder.write_card(str(tmp_path), {"settings": {"seed": 1}})
  return tmp_path


def test_the_card_lists_the_files(folder):
  card = json.loads((folder / "finetune.json").read_text())
  assert card == {
    "format_version": 1,
    "settings": {"seed": 1},
    "files": {"train.tfrecord": {"bytes": 9, "crc32": "cbf43926"}},
  }
  assert finetune_folder.read_card(str(folder)) == card


def test_data_are_ready_if_their_settings_and_sizes_are_the_same(folder):
  assert finetune_folder.find_ready(str(folder), {"seed": 1}) is not None
  assert finetune_folder.find_ready(str(folder), {"seed": 2}) is None
  (folder / "train.tfrecord").write_text("1")
  assert finetune_folder.find_ready(str(folder), {"seed": 1}) is None


def test_earlier_data_may_be_replaced(folder):
  finetune_folder.check_replaceable(str(folder))


def test_an_empty_folder_is_used(tmp_path):
  finetune_folder.check_replaceable(str(tmp_path))
  finetune_folder.check_replaceable(str(tmp_path / "none"))


def test_files_of_others_are_not_replaced(folder):
  (folder / "notes.txt").write_text("mine")
  message = "files that this command did not make. Received: .* with notes.txt"
  with pytest.raises(errors.UserError, match=message):
    finetune_folder.check_replaceable(str(folder))


def test_a_file_is_no_folder(folder):
  with pytest.raises(
    errors.UserError, match="must be a folder. Received: .*fi"
  ):
    finetune_folder.check_replaceable(str(folder / "train.tfrecord"))


def _change_card(folder):
  path = folder / "finetune.json"
  card = json.loads(path.read_text()) | {"format_version": 9}
  path.write_text(json.dumps(card))


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (
      lambda folder: (folder / "finetune.json").unlink(),
      "with finetune.json. Received",
    ),
    (_change_card, "format_version 1. Received: 9 in"),
    (
      lambda folder: (folder / "train.tfrecord").write_text("1"),
      "must have 9 bytes, as finetune.json says. Received: 1 bytes",
    ),
    (
      lambda folder: (folder / "train.tfrecord").unlink(),
      "must have 9 bytes, as finetune.json says. Received: no such file",
    ),
  ],
)
def test_a_changed_folder(folder, change, message):
  change(folder)
  with pytest.raises(errors.UserError, match=message):
    finetune_folder.read_card(str(folder))
