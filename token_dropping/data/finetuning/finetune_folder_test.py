# SPDX-License-Identifier: Apache-2.0
"""Tests for finetune_folder."""

import json

import pytest

from token_dropping.common import errors
from token_dropping.data.finetuning import finetune_folder


def _write(folder):
  with open(f"{folder}/train.tfrecord", "w") as file:
    file.write("123456789")
  return {"settings": {"seed": 1}}


@pytest.fixture
def folder(tmp_path):
  finetune_folder.make(str(tmp_path / "out"), _write)
  return tmp_path / "out"


def test_the_card_lists_the_files(folder):
  card = json.loads((folder / "finetune.json").read_text())
  assert card == {
    "format_version": 1,
    "settings": {"seed": 1},
    "files": {"train.tfrecord": {"bytes": 9, "crc32": "cbf43926"}},
  }
  assert finetune_folder.read_card(str(folder)) == card


def test_data_of_the_same_settings_are_ready(folder):
  assert finetune_folder.find_ready(str(folder), {"seed": 1}) is not None
  assert finetune_folder.find_ready(str(folder), {"seed": 2}) is None


def test_data_with_a_lost_file_are_not_ready(folder):
  (folder / "train.tfrecord").write_text("1")
  assert finetune_folder.find_ready(str(folder), {"seed": 1}) is None


def test_nothing_is_left_of_a_failure(tmp_path):
  def fail(folder):
    _write(folder)
    raise errors.UserError("no")

  with pytest.raises(errors.UserError, match="no"):
    finetune_folder.make(str(tmp_path / "out"), fail)
  assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_earlier_data_alone(folder, tmp_path):
  def fail(folder):
    raise errors.UserError("no")

  with pytest.raises(errors.UserError, match="no"):
    finetune_folder.make(str(folder), fail)
  assert finetune_folder.find_ready(str(folder), {"seed": 1}) is not None
  assert list(tmp_path.iterdir()) == [folder]


def test_earlier_data_are_replaced(folder):
  def write(path):
    with open(f"{path}/test.tfrecord", "w"):
      return {"settings": {}}

  finetune_folder.check_replaceable(str(folder))
  finetune_folder.make(str(folder), write)
  names = sorted(path.name for path in folder.iterdir())
  assert names == ["finetune.json", "test.tfrecord"]


def test_files_of_others_are_not_replaced(folder):
  (folder / "notes.txt").write_text("mine")
  message = "files that this command did not make. Received: .* with notes.txt"
  with pytest.raises(errors.UserError, match=message):
    finetune_folder.check_replaceable(str(folder))


def test_an_empty_folder_is_used(tmp_path):
  finetune_folder.check_replaceable(str(tmp_path))
  finetune_folder.check_replaceable(str(tmp_path / "none"))


def test_a_file_is_no_folder(tmp_path):
  (tmp_path / "out").write_text("")
  with pytest.raises(
    errors.UserError, match="must be a folder. Received: .*fi"
  ):
    finetune_folder.check_replaceable(str(tmp_path / "out"))


def test_a_folder_that_cannot_be_made(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(errors.UserError, match="in a writable folder. Received"):
    finetune_folder.make(str(tmp_path / "file" / "out"), _write)


def test_no_card(tmp_path):
  with pytest.raises(errors.UserError, match="with finetune.json. Received"):
    finetune_folder.read_card(str(tmp_path))


def test_a_card_of_another_version(folder):
  card = json.loads((folder / "finetune.json").read_text())
  (folder / "finetune.json").write_text(
    json.dumps(card | {"format_version": 9})
  )
  with pytest.raises(
    errors.UserError, match="format_version 1. Received: 9 in"
  ):
    finetune_folder.read_card(str(folder))


@pytest.mark.parametrize("content", [None, "1"])
def test_a_changed_file(folder, content):
  (folder / "train.tfrecord").unlink()
  if content:
    (folder / "train.tfrecord").write_text(content)
  received = "1 bytes" if content else "no such file"
  message = f"must have 9 bytes, as finetune.json says. Received: {received}"
  with pytest.raises(errors.UserError, match=message):
    finetune_folder.read_card(str(folder))
