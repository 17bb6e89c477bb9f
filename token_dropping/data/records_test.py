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


def test_examples_of_all_blocks_are_written_in_order(tmp_path):
  path = str(tmp_path / "file")
  assert records.write_records(path, _blocks()) == 6
  found = [r["ids"].tolist() for r in records.read_records(path)]
  assert found == [[i, i] for i in range(6)]


def test_types(tmp_path):
  path = str(tmp_path / "file")
  records.write_records(path, _blocks())
  first = next(records.read_records(path))
  assert first["ids"].dtype == np.int64
  assert first["weights"].dtype == np.float32


def test_feature_types():
  example = records.to_example({"a": np.array([1]), "b": np.array([0.5])})
  features = example.features.feature
  assert list(features["a"].int64_list.value) == [1]
  assert list(features["b"].float_list.value) == [0.5]


def test_features_are_written_in_the_order_of_their_names(tmp_path):
  names = [f"feature_{i:02d}" for i in range(20)]
  path = tmp_path / "file"
  block = {name: np.ones([1, 1], np.int64) for name in reversed(names)}
  records.write_records(str(path), [block])
  content = path.read_bytes()
  places = [content.index(name.encode()) for name in names]
  assert places == sorted(places)
