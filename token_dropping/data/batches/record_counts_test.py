# SPDX-License-Identifier: Apache-2.0
"""Tests of counting records without reading them."""

import pytest
import tensorflow as tf

from tests import dataset_testing
from token_dropping.common import errors
from token_dropping.data.batches import record_counts

COUNTS = [3, 0, 2]


def _write(folder) -> list:
  folder.mkdir()
  paths = [folder / f"train-{index}" for index in range(len(COUNTS))]
  for path, count in zip(paths, COUNTS, strict=True):
    with tf.io.TFRecordWriter(str(path)) as writer:
      for _ in range(count):
        writer.write(b"record")
  return paths


def _count(paths) -> list[int]:
  return record_counts.count_records(list(map(str, paths)), "tfrecord")


@pytest.fixture
def paths(tmp_path):
  """Three files and the `dataset.json` beside them."""
  paths = _write(tmp_path / "data")
  records = dict(zip(paths, COUNTS, strict=True))
  dataset_testing.write_counts(tmp_path / "data", records)
  return paths


def test_files_without_card_are_read(tmp_path):
  paths = _write(tmp_path / "bare")
  assert _count(paths[::-1]) == COUNTS[::-1]


def test_files_of_a_card_are_not_read(paths):
  for path in paths:
    path.write_bytes(bytes(path.stat().st_size))
  assert _count(paths[::-1]) == COUNTS[::-1]


def test_a_file_that_no_card_lists_is_read(paths, tmp_path):
  extra = paths[0].rename(paths[0].with_name("more"))
  bare = _write(tmp_path / "bare")
  assert _count([bare[2], paths[2], extra, bare[0]]) == [2, 2, 3, 3]


def test_a_card_without_counts_is_passed_over(paths):
  dataset_testing.write_card(paths[0].parent, {"records": 5})
  assert _count(paths) == COUNTS


def test_a_file_of_another_size_than_its_card_says_is_refused(paths):
  content = paths[2].read_bytes()
  paths[2].write_bytes(content[: len(content) // 2])
  with pytest.raises(errors.UserError) as caught:
    _count(paths)
  assert str(caught.value) == (
    f"{paths[2]} must have {len(content)} bytes, as dataset.json says. "
    f"Received: {len(content) // 2} bytes"
  )


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
  paths = _write(tmp_path / "bare")
  paths[0].write_bytes(paths[0].read_bytes()[:-1])
  with pytest.raises(tf.errors.DataLossError):
    _count(paths)
