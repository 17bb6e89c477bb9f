# SPDX-License-Identifier: Apache-2.0
"""Tests of what can be read of files, and of counting without reading."""

import gzip
import pathlib

import pytest
import tensorflow as tf
from official.nlp.data import pretrain_dataloader

from tests import dataset_testing
from tests import testing
from token_dropping.data.batches import record_files

DATA = pretrain_dataloader.BertPretrainDataConfig()
# A record: its length and checksum, "0", its checksum.
BYTES = 8 + 4 + 1 + 4


def _write(path, count: int) -> str:
  return testing.write_records(path, [b"0"] * count)


@pytest.fixture
def files(tmp_path):
  """A whole file, an empty, a truncated, a corrupt one, and one that went."""
  paths = [_write(tmp_path / f"{count}", count) for count in (3, 0, 4, 5)]
  with open(paths[2], "r+b") as file:
    file.truncate(3 * BYTES - 1)
  with open(paths[3], "r+b") as file:
    file.seek(BYTES + 12)  # the content of record 1
    file.write(b"x")
  return [*paths, str(tmp_path / "gone")]


def test_records_until_the_first_fault(files):
  contents = record_files.read_files(files, DATA)
  assert [content.file for content in contents] == files
  assert [content.records for content in contents] == [3, 0, 2, 1, 0]
  assert [content.faults for content in contents] == [0, 0, 1, 1, 1]
  assert contents == [record_files.read_file(file, DATA) for file in files]
  # Faults behind what is read do not count.
  assert record_files.read_file(files[2], DATA, 2).faults == 0
  assert record_files.read_file(files[2], DATA, 3).faults == 1


def test_fault_names_file_and_record(files):
  gone = record_files.read_file(files[4], DATA)
  assert gone.describe_fault("task.train_data") == (
    "task.train_data.input_path must match TFRecord files that can be read to "
    f"their end. Received: {files[4]}, record 0: {files[4]}; No such file or "
    "directory"
  )
  corrupt = record_files.read_file(files[3], DATA).describe_fault("here")
  assert f"Received: {files[3]}, record 1: corrupted record at " in corrupt


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("length", [2**62, 2**63, 2**64 - 1, 10**9])
def test_a_length_beyond_the_file_is_a_fault(tmp_path, length, compressed):
  data, path = DATA, pathlib.Path(_write(tmp_path / "records", 2))
  content = path.read_bytes() + length.to_bytes(8, "little") + bytes(9)
  path.write_bytes(gzip.compress(content) if compressed else content)
  if compressed:
    data = DATA.replace(file_type="tfrecord_compressed")
  left = path.stat().st_size * (1032 if compressed else 1) - 2 * BYTES - 12
  found = record_files.read_file(str(path), data)
  fault = (
    f"corrupted record at {2 * BYTES}: a length of {length:,} bytes, where at "
    f"most {left:,} follow"
  )
  assert found == record_files.FileContent(str(path), 2, fault)
  assert record_files.read_files([str(path)], data) == [found]
  with pytest.raises(tf.errors.InvalidArgumentError, match=fault):
    record_files.count_records([str(path)], data)


# Counts.


@pytest.fixture
def listed(tmp_path_factory):
  """Three files of 3, 0 and 2 records, and the `dataset.json` beside them."""
  folder = tmp_path_factory.mktemp("data")
  counts = {folder / f"train-{i}": count for i, count in enumerate((3, 0, 2))}
  for path, count in counts.items():
    _write(path, count)
  dataset_testing.write_counts(folder, counts)
  return list(counts)


def _count(paths) -> list[int]:
  return record_files.count_records(list(map(str, paths)), DATA)


def test_only_files_that_no_card_lists_are_read(listed, tmp_path):
  extra = listed[0].rename(listed[0].with_name("more"))
  bare = _write(tmp_path / "bare", 7)
  for path in listed[1:]:
    path.write_bytes(bytes(path.stat().st_size))
  assert _count([bare, *listed[:0:-1], extra]) == [7, 2, 0, 3]


def test_a_card_without_counts_is_passed_over(listed):
  dataset_testing.write_card(listed[0].parent, {"records": 5})
  assert _count(listed) == [3, 0, 2]


def test_a_file_of_another_size_than_its_card_says_is_refused(listed):
  content = listed[2].read_bytes()
  listed[2].write_bytes(content[: len(content) // 2])
  assert f"{listed[2]} must have " in testing.refused(_count, listed)


def test_a_file_that_cannot_be_counted_is_an_error(files):
  with pytest.raises(tf.errors.DataLossError):
    _count(files[:3])
