# SPDX-License-Identifier: Apache-2.0
"""Tests for dataset_folder: whole folders, and every way not to be one."""

import json

import pytest
import tensorflow as tf

from tests import dataset_testing
from tests import testing
from token_dropping.common import files
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
  return testing.refused(dataset_folder.verify, str(folder), quick)


def _change_card(folder, **fields) -> dict:
  card = dataset_folder.read_card(str(folder / "dataset.json")) | fields
  dataset_testing.write_card(folder, card)
  return card


def _write(folder, name: str, content: bytes) -> None:
  """Writes a file, and makes `dataset.json` say what its bytes are."""
  (folder / name).write_bytes(content)
  card = _change_card(folder)
  card["files"][name] |= files.describe(str(folder / name))
  dataset_testing.write_card(folder, card)


@pytest.mark.parametrize("quick", [True, False])
def test_whole_folder(folder, quick, capsys):
  (folder / "README.md").write_text("other files are allowed")
  (folder / "training").mkdir()
  card = dataset_folder.verify(str(folder), quick)
  assert card == dataset_folder.read_card(str(folder / "dataset.json"))
  assert card["train"]["records"] == 5
  assert dataset_folder.verify(f"{folder}/", quick) == card
  assert capsys.readouterr() == ("", "")  # progress is for terminals


def test_other_filesystem(folder):
  remote = "ram://dataset"
  tf.io.gfile.makedirs(remote)
  for path in folder.iterdir():
    tf.io.gfile.copy(str(path), f"{remote}/{path.name}")
  dataset_folder.verify(remote)
  tf.io.gfile.remove(f"{remote}/{SECOND}")
  assert f"without {SECOND}" in _refused(remote)


def test_shard_may_be_empty(folder):
  _write(folder, VALIDATION, b"")
  card = _change_card(folder)
  card["validation"]["records"] = card["files"][VALIDATION]["records"] = 0
  dataset_testing.write_card(folder, card)
  dataset_folder.verify(str(folder))


@pytest.mark.parametrize("name", ["none", FIRST])
def test_no_folder(folder, name):
  assert _refused(folder / name) == (
    f"a dataset must be a folder that exists. Received: {str(folder / name)!r}"
  )


VERSIONS = (1, 3, "2", None)
VERSION = "dataset.json must have format_version 2. Received:"
OBJECT = "settings in {} must be an object. Received:"
SUM = "train.records in {} must be the sum over its train- files, 5. Received:"


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    *(({"format_version": v}, f"{VERSION} {v!r} in ") for v in VERSIONS),
    ({"files": [3]}, "files in {} must be an object. Received: [3]"),
    ({"train": {"records": 6}}, f"{SUM} 6"),
    ({"train": {}}, f"{SUM} None"),
    *(
      ({name: 3}, f"{name} in {{}} must be an object. Received: 3")
      for name in ("settings", "text", "train", "validation")
    ),
    ({"settings": None}, f"{OBJECT} None"),
    (
      {"settings": {"seq_length": "128"}},
      "settings.seq_length in {} must be a whole number. Received: '128'",
    ),
    (
      {"text": {"documents": [1]}},
      "text.documents in {} must be a number. Received: [1]",
    ),
  ],
)
def test_wrong_card(folder, fields, message):
  _change_card(folder, **fields)
  path = str(folder / "dataset.json")
  assert _refused(folder, quick=True).removesuffix(path) == (
    message.replace("{}", path)
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


@pytest.mark.parametrize(
  ("name", "quick"), [("dataset.json", True), (SECOND, True), (SECOND, False)]
)
def test_missing_file(folder, name, quick):
  (folder / name).unlink()
  assert _refused(folder, quick) == (
    "a finished dataset must hold dataset.json, which is written last. "
    f"Received: {str(folder)!r} without it"
    if name == "dataset.json"
    else "every file that dataset.json lists must be in its folder. "
    f"Received: {str(folder)!r} without {name}"
  )


@pytest.mark.parametrize(
  ("name", "quick"), [("train-x", True), ("validation-0.tfrecord.tmp", False)]
)
def test_unlisted_records(folder, name, quick):
  (folder / name).write_bytes(b"")
  assert _refused(folder, quick) == (
    "every train- and validation- file must be listed in dataset.json. "
    f"Received: {folder}/{name}, which is not"
  )


@pytest.mark.parametrize("quick", [True, False])
def test_truncated_shards(folder, quick):
  """The first of several faults is told."""
  sizes = {name: (folder / name).stat().st_size for name in (SECOND, FIRST)}
  for name, size in sizes.items():
    (folder / name).write_bytes((folder / name).read_bytes()[: size - 1])
  assert _refused(folder, quick) == (
    f"{folder}/{FIRST} must have {sizes[FIRST]} bytes, as dataset.json says. "
    f"Received: {sizes[FIRST] - 1} bytes"
  )


@pytest.mark.parametrize(
  ("name", "place"), [(SECOND, 0), (SECOND, 40), (SECOND, -1), ("vocab.txt", 1)]
)
def test_flipped_byte(folder, name, place):
  path = folder / name
  before = files.describe(str(path))["crc32"]
  content = bytearray(path.read_bytes())
  content[place] ^= 1
  path.write_bytes(content)
  dataset_folder.verify(str(folder), quick=True)
  assert _refused(folder) == (
    f"{path} must have the CRC-32 {before}, as dataset.json says. "
    f"Received: {files.describe(str(path))['crc32']}"
  )


@pytest.mark.parametrize("cut", [1, 4, 5, -5])
def test_truncated_record(folder, cut):
  """The writer itself was cut off, so size and checksum agree."""
  content = (folder / SECOND).read_bytes()
  if cut < 0:  # within the head of the last record
    cut = len(content) // 2 + cut
  _write(folder, SECOND, content[:-cut])
  assert _refused(folder) == (
    f"{folder}/{SECOND} must end with a whole record. Received: only a part of "
    "record 1"
  )


def test_other_number_of_records(folder):
  content = (folder / SECOND).read_bytes()
  _write(folder, SECOND, content[: len(content) // 2])
  assert _refused(folder) == (
    f"{folder}/{SECOND} must hold 2 records, as dataset.json says. Received: 1"
  )


def test_unreadable_file(folder):
  (folder / SECOND).unlink()
  (folder / SECOND).mkdir()
  assert _refused(folder) == (
    f"a dataset must be readable. Received: '{folder}/{SECOND}'"
  )
