# SPDX-License-Identifier: Apache-2.0
"""Tests of what can be read of a file."""

import pytest
import tensorflow as tf
from official.nlp.data import pretrain_dataloader

from token_dropping.data.batches import file_contents

DATA = pretrain_dataloader.BertPretrainDataConfig()
# A record: its length and checksum, "0", its checksum.
BYTES = 8 + 4 + 1 + 4


def _write(path, count: int) -> str:
  with tf.io.TFRecordWriter(str(path)) as writer:
    for index in range(count):
      writer.write(str(index).encode())
  return str(path)


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
  contents = file_contents.read_files(files, DATA)
  assert [content.file for content in contents] == files
  assert [content.records for content in contents] == [3, 0, 2, 1, 0]
  assert [content.faults for content in contents] == [0, 0, 1, 1, 1]


def test_one_file_is_read_as_several_are(files):
  one_by_one = [file_contents.read_file(file, DATA) for file in files]
  assert one_by_one == file_contents.read_files(files, DATA)


def test_faults_behind_what_is_read_do_not_count(files):
  assert file_contents.read_file(files[2], DATA, 2).faults == 0
  assert file_contents.read_file(files[2], DATA, 3).faults == 1


def test_fault_names_file_and_record(files):
  gone = file_contents.read_file(files[4], DATA)
  assert gone.describe_fault("task.train_data") == (
    "task.train_data.input_path must match TFRecord files that can be read to "
    f"their end. Received: {files[4]}, record 0: {files[4]}; No such file or "
    "directory"
  )
  corrupt = file_contents.read_file(files[3], DATA).describe_fault("here")
  assert f"Received: {files[3]}, record 1: corrupted record at " in corrupt
