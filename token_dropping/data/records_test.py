# SPDX-License-Identifier: Apache-2.0
"""Tests for records."""

import numpy as np

from token_dropping.data import records


def _blocks():
  for start in (0, 3):
    yield {
      "ids": np.arange(start, start + 3)[:, None] * np.ones([1, 2], np.int64),
      "weights": np.full([3, 1], start, np.float32),
    }


def test_examples_of_all_blocks_keep_their_order_and_types(tmp_path):
  path = str(tmp_path / "file")
  assert records.write_records(path, _blocks()) == 6
  found = [r["ids"].tolist() for r in records.read_records(path)]
  assert found == [[i, i] for i in range(6)]
  first = next(records.read_records(path))
  assert first["ids"].dtype == np.int64
  assert first["weights"].dtype == np.float32


def test_each_row_has_its_own_values_and_those_that_all_share(tmp_path):
  path = str(tmp_path / "file")
  block = {
    "same": np.array([[1, 0], [1, 0], [1, 0]]),
    "last_differs": np.array([[7, 7], [7, 7], [7, 8]]),
    "weights": np.array([[0.5], [0.25], [0.5]], np.float32),
  }
  records.write_records(path, [block, block])
  found = list(records.read_records(path))
  assert len(found) == 6
  for row, record in enumerate(found):
    for name, values in block.items():
      assert record[name].tolist() == values[row % 3].tolist()


def test_features_are_written_in_the_order_of_their_names(tmp_path):
  names = [f"feature_{i:02d}" for i in range(20)]
  path = tmp_path / "file"
  block = {name: np.ones([1, 1], np.int64) for name in reversed(names)}
  records.write_records(str(path), [block])
  content = path.read_bytes()
  places = [content.index(name.encode()) for name in names]
  assert places == sorted(places)
