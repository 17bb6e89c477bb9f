# SPDX-License-Identifier: Apache-2.0
"""Features <-> TFRecord files in Model Garden's pretraining format (v2)."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf


def write_records(path: str, blocks: Iterable[Mapping[str, np.ndarray]]) -> int:
  """Writes blocks of examples, [n, size] arrays by name, to a local file."""
  number = 0
  with tf.io.TFRecordWriter(path) as writer:
    for block in blocks:
      for record in _serialize(block):
        writer.write(record)
        number += 1
  return number


def read_records(path: str, skip: int = 0) -> Iterator[dict[str, np.ndarray]]:
  """Yields the features of a file's examples, [size] arrays by name."""
  dataset = tf.data.TFRecordDataset(path).skip(skip)
  for record in dataset.as_numpy_iterator():
    example = tf.train.Example.FromString(record)
    yield {
      name: _array(feature)
      for name, feature in example.features.feature.items()
    }


def _serialize(block: Mapping[str, np.ndarray]) -> Iterator[bytes]:
  """Yields a block's examples, from one message that keeps what is constant.

  Making a message takes longer than serializing it.
  """
  example = tf.train.Example()
  changing = []
  for name, rows in block.items():
    values = _values(example.features.feature[name], rows.dtype)
    values.extend(rows[0].tolist())
    if (rows != rows[0]).any():
      changing.append((values, rows.tolist()))
  for row in range(len(rows)):
    for values, lists in changing:
      values[:] = lists[row]
    # Deterministic: else the order of the features differs between runs.
    yield example.SerializeToString(deterministic=True)


def _values(feature: tf.train.Feature, dtype: np.dtype):
  is_integer = np.issubdtype(dtype, np.integer)
  return (feature.int64_list if is_integer else feature.float_list).value


def _array(feature: tf.train.Feature) -> np.ndarray:
  if feature.HasField("float_list"):
    return np.array(feature.float_list.value, np.float32)
  return np.array(feature.int64_list.value, np.int64)
