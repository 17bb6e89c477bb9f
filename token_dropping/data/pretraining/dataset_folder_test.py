# SPDX-License-Identifier: Apache-2.0
"""Tests for dataset_folder: whole folders, and every way not to be one."""

import json

import pytest
import tensorflow as tf

from tests import dataset_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.data.pretraining import dataset_folder

FIRST, SECOND = "train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"
VALIDATION = "validation-00000-of-00001.tfrecord"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "word"]


@pytest.fixture
def folder(tmp_path):
  """A dataset with 3, 2 and 1 records."""
  shards = {
    name: [testing.random_features(seed) for seed in range(count)]
    for name, count in ((FIRST, 3), (SECOND, 2), (VALIDATION, 1))
  }
  dataset_testing.write_dataset(tmp_path, TOKENS, shards)
  return tmp_path


def _refused(folder, quick: bool = False) -> str:
  with pytest.raises(errors.UserError) as caught:
    dataset_folder.verify(str(folder), quick)
  return str(caught.value)


def _change_card(folder, **fields) -> dict:
  card = dataset_folder.read_card(str(folder / "dataset.json")) | fields
  dataset_testing.write_card(folder, card)
  return card


def _adopt(folder, name: str) -> None:
  """Makes `dataset.json` say what the bytes of a file are now."""
  card = _change_card(folder)
  card["files"][name] |= dataset_testing.describe(folder / name)
  dataset_testing.write_card(folder, card)


@pytest.mark.parametrize("quick", [True, False])
def test_whole_folder(folder, quick):
  card = dataset_folder.verify(str(folder), quick)
  assert card == dataset_folder.read_card(str(folder / "dataset.json"))
  assert card["train"]["records"] == 5
  assert dataset_folder.verify(f"{folder}/", quick) == card


def test_other_filesystem(folder):
  remote = "ram://dataset"
  tf.io.gfile.makedirs(remote)
  for path in folder.iterdir():
    tf.io.gfile.copy(str(path), f"{remote}/{path.name}")
  dataset_folder.verify(remote)
  tf.io.gfile.remove(f"{remote}/{SECOND}")
  assert f"without {SECOND}" in _refused(remote)


def test_shard_may_be_empty(folder):
  (folder / VALIDATION).write_bytes(b"")
  card = _change_card(folder)
  card["validation"]["records"] = card["files"][VALIDATION]["records"] = 0
  dataset_testing.write_card(folder, card)
  _adopt(folder, VALIDATION)
  dataset_folder.verify(str(folder))


def test_other_files_are_allowed(folder):
  (folder / "README.md").write_text("mine")
  (folder / "training").mkdir()
  dataset_folder.verify(str(folder))


@pytest.mark.parametrize("name", ["none", FIRST])
def test_no_folder(folder, name):
  assert _refused(folder / name) == (
    f"a dataset must be a folder that exists. Received: {str(folder / name)!r}"
  )


def test_empty_folder_is_unfinished(tmp_path):
  assert _refused(tmp_path) == (
    "a finished dataset must hold dataset.json, which is written last. "
    f"Received: {str(tmp_path)!r} without it"
  )


def test_card_must_be_an_object(folder):
  (folder / "dataset.json").write_text("[]")
  assert _refused(folder).startswith("dataset.json must hold a JSON object.")


@pytest.mark.parametrize("version", [1, 3, "2", None])
def test_other_format_version(folder, version):
  _change_card(folder, format_version=version)
  assert _refused(folder) == (
    f"dataset.json must have format_version 2. Received: {version!r} in "
    f"{folder}/dataset.json"
  )


def test_files_must_be_an_object(folder):
  _change_card(folder, files=[FIRST])
  assert _refused(folder) == (
    f"files in {folder}/dataset.json must be a JSON object. "
    f"Received: [{FIRST!r}]"
  )


@pytest.mark.parametrize(
  ("name", "entry"),
  [
    (FIRST, 3),
    (FIRST, {"bytes": 3}),
    (FIRST, {"bytes": 3, "crc32": "0123abcd"}),
    ("vocab.txt", {"bytes": -3, "crc32": "0123abcd"}),
    ("vocab.txt", {"bytes": 3, "crc32": "0x23ABCD"}),
    ("../vocab.txt", {"bytes": 3, "crc32": "0123abcd"}),
  ],
)
def test_incomplete_entry(folder, name, entry):
  _change_card(folder, files={name: entry})
  assert _refused(folder) == (
    f"files in {folder}/dataset.json must give bytes, crc32 (8 hexadecimal "
    f"digits) and, for TFRecords, records. Received: {name!r}: "
    + json.dumps(entry)
  )


@pytest.mark.parametrize("part", [{"records": 6}, {}, None])
def test_records_must_add_up(folder, part):
  _change_card(folder, train=part)
  assert _refused(folder, quick=True) == (
    f"train.records in {folder}/dataset.json must be the sum over its train- "
    f"files, 5. Received: {(part or {}).get('records')}"
  )


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", [SECOND, "vocab.txt"])
def test_missing_file(folder, name, quick):
  (folder / name).unlink()
  assert _refused(folder, quick) == (
    "every file that dataset.json lists must be in its folder. "
    f"Received: {str(folder)!r} without {name}"
  )


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", ["train-x", "validation-0.tfrecord.tmp"])
def test_unlisted_records(folder, name, quick):
  (folder / name).write_bytes(b"")
  assert _refused(folder, quick) == (
    "every train- and validation- file must be listed in dataset.json. "
    f"Received: {folder}/{name}, which is not"
  )


@pytest.mark.parametrize("quick", [True, False])
def test_truncated_shard(folder, quick):
  content = (folder / SECOND).read_bytes()
  (folder / SECOND).write_bytes(content[:-1])
  assert _refused(folder, quick) == (
    f"{folder}/{SECOND} must have {len(content)} bytes, as dataset.json says. "
    f"Received: {len(content) - 1} bytes"
  )


def test_first_of_several_faults_is_told(folder):
  for name in (SECOND, FIRST):
    (folder / name).write_bytes(b"")
  assert _refused(folder).startswith(f"{folder}/{FIRST} must have")


@pytest.mark.parametrize("place", [0, 40, -1])
def test_flipped_byte(folder, place):
  path = folder / SECOND
  before = dataset_testing.describe(path)["crc32"]
  content = bytearray(path.read_bytes())
  content[place] ^= 1
  path.write_bytes(content)
  dataset_folder.verify(str(folder), quick=True)
  assert _refused(folder) == (
    f"{path} must have the CRC-32 {before}, as dataset.json says. "
    f"Received: {dataset_testing.describe(path)['crc32']}"
  )


def test_flipped_byte_of_the_vocabulary(folder):
  (folder / "vocab.txt").write_text("\n".join(TOKENS).upper() + "\n")
  start = f"{folder}/vocab.txt must have the CRC-32"
  assert _refused(folder).startswith(start)


@pytest.mark.parametrize("cut", [1, 4, 5, -5])
def test_truncated_record(folder, cut):
  """The writer itself was cut off, so size and checksum agree."""
  path = folder / SECOND
  content = path.read_bytes()
  if cut < 0:  # within the head of the last record
    cut = len(content) // 2 + cut
  path.write_bytes(content[:-cut])
  _adopt(folder, SECOND)
  assert _refused(folder) == (
    f"{path} must end with a whole record. Received: only a part of record 1"
  )


def test_other_number_of_records(folder):
  testing.write_records(folder / SECOND, [testing.random_features(0)])
  _adopt(folder, SECOND)
  assert _refused(folder) == (
    f"{folder}/{SECOND} must hold 2 records, as dataset.json says. Received: 1"
  )


def test_unreadable_file(folder):
  (folder / SECOND).unlink()
  (folder / SECOND).mkdir()
  card = _change_card(folder)
  card["files"][SECOND]["bytes"] = (folder / SECOND).stat().st_size
  dataset_testing.write_card(folder, card)
  assert _refused(folder) == (
    f"a dataset must be readable. Received: '{folder}/{SECOND}'"
  )


def test_unknown_filesystem():
  assert _refused("unknown://data").startswith(
    "a dataset must be readable. Received: 'unknown://data' ("
  )


def test_progress_is_for_terminals(folder, capsys):
  dataset_folder.verify(str(folder))
  assert capsys.readouterr() == ("", "")
