# SPDX-License-Identifier: Apache-2.0
"""Features <-> TFRecord files in Model Garden's pretraining format (v2 names).

Integers are int64 lists, `masked_lm_weights` a float list.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf


def to_example(features: Mapping[str, np.ndarray]) -> tf.train.Example:
  """Makes one `tf.train.Example`.

  Args:
    features: [size] arrays by name, of integers or floats.
  """
  return tf.train.Example(
    features=tf.train.Features(
      feature={name: _feature(array) for name, array in features.items()}
    )
  )


def write_records(path: str, blocks: Iterable[Mapping[str, np.ndarray]]) -> int:
  """Writes examples to a file.

  Args:
    path: a local file.
    blocks: features of several examples, [n, size] arrays by name.

  Returns:
    The number of examples written.
  """
  number = 0
  with tf.io.TFRecordWriter(path) as writer:
    for block in blocks:
      for row in range(len(next(iter(block.values())))):
        example = to_example({name: rows[row] for name, rows in block.items()})
        # Deterministic: else the order of the features differs between runs.
        writer.write(example.SerializeToString(deterministic=True))
        number += 1
  return number


def read_records(path: str, skip: int = 0) -> Iterator[dict[str, np.ndarray]]:
  """Yields the features of a file's examples, [size] arrays by name.

  Args:
    path: the file.
    skip: int, how many examples to leave out at the start.
  """
  dataset = tf.data.TFRecordDataset(path).skip(skip)
  for record in dataset.as_numpy_iterator():
    example = tf.train.Example.FromString(record)
    yield {
      name: _array(feature)
      for name, feature in example.features.feature.items()
    }


def _feature(array: np.ndarray) -> tf.train.Feature:
  values = array.tolist()
  if np.issubdtype(array.dtype, np.integer):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
  return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _array(feature: tf.train.Feature) -> np.ndarray:
  if feature.HasField("float_list"):
    return np.array(feature.float_list.value, np.float32)
  return np.array(feature.int64_list.value, np.int64)
