# SPDX-License-Identifier: Apache-2.0
"""Features <-> TFRecord files in Model Garden's pretraining format (v2)."""

import contextlib
import functools
import gzip
import mmap
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np
import tensorflow as tf
from google.protobuf import message

from token_dropping.common import errors

# No file holds more than this many times its size: zlib's documentation.
_DEFLATED = 1032


def write_records(path: str, blocks: Iterable[Mapping[str, np.ndarray]]) -> int:
  """Writes blocks of examples, [n, size] arrays by name, to a local file."""
  number = 0
  with tf.io.TFRecordWriter(path) as writer:
    for block in blocks:
      for record in _serialize(block):
        writer.write(record)
        number += 1
  return number


def read_serialized(file, file_type: str = "tfrecord") -> tf.data.Dataset:
  """Reads the records of a TFRecord file, a name or a tensor, as they are.

  `file_type` is that of Model Garden's data configs. A record that
  `find_impossible` finds is an `InvalidArgumentError`.
  """

  def find(name) -> tuple[np.int64, bytes]:
    path = os.fsdecode(np.asarray(name).item())
    number, complaint = find_impossible(path, file_type)
    return np.int64(number), complaint.encode()

  found = tf.numpy_function(find, [file], [tf.int64, tf.string])
  count, complaint = (tf.ensure_shape(value, []) for value in found)
  kind = "GZIP" if file_type == "tfrecord_compressed" else ""
  records = tf.data.TFRecordDataset(file, compression_type=kind)
  faults = tf.data.Dataset.from_tensors(complaint)
  faults = faults.take(tf.cast(count >= 0, tf.int64)).map(_fail)
  return records.take(count).concatenate(faults)


def _fail(complaint: tf.Tensor) -> tf.Tensor:
  with tf.control_dependencies([tf.debugging.Assert(False, [complaint])]):
    return tf.identity(complaint)


def find_impossible(path: str, file_type: str) -> tuple[int, str]:
  """Returns number and fault of a record longer than what follows can be.

  Otherwise -1 and "": what else is wrong TensorFlow says. Here it would ask for
  that much memory, and end the process where there is not. Remote files are not
  looked at: it would take another download.
  """
  if "://" in path or not os.path.isfile(path):
    return -1, ""
  found, compressed = os.stat(path), file_type == "tfrecord_compressed"
  return _impossible_length(path, found.st_size, found.st_mtime_ns, compressed)


@functools.lru_cache(4096)  # one reading a process, not one an epoch
def _impossible_length(
  path: str, size: int, changed: int, compressed: bool
) -> tuple[int, str]:
  del changed  # of the cache's key alone
  end = size * (_DEFLATED if compressed else 1)
  number = 0
  # An empty file, or one that ends too early, is a `ValueError` of `mmap`.
  bad = (OSError, EOFError, ValueError, zlib.error)
  with contextlib.suppress(*bad), _opened(path, compressed) as file:
    # A length (uint64, little-endian), its checksum, the record, another.
    while len(head := file.read(12)) == 12:
      length, place = int.from_bytes(head[:8], "little"), file.tell()
      if length > end - place:
        return number, (
          f"corrupted record at {place - 12}: a length of {length:,} bytes, "
          f"where at most {end - place:,} follow"
        )
      file.seek(length + 4, 1)
      number += 1
  return -1, ""


@contextlib.contextmanager
def _opened(path: str, compressed: bool) -> Iterator[BinaryIO | mmap.mmap]:
  if compressed:
    with gzip.open(path) as file:
      yield file
  else:
    with (
      open(path, "rb") as file,
      mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
      yield mapped


def read_records(path: str, skip: int = 0) -> Iterator[dict[str, np.ndarray]]:
  """Yields the features of a file's examples, [size] arrays by name.

  A record that cannot be read is a `UserError`.
  """
  number = skip
  try:
    for record in read_serialized(path).skip(skip).as_numpy_iterator():
      example = tf.train.Example.FromString(record)
      yield {
        name: _array(feature)
        for name, feature in example.features.feature.items()
      }
      number += 1
  except (tf.errors.OpError, message.DecodeError) as error:
    raise errors.UserError(
      "records must be TFRecords of tf.train.Example. Received: "
      f"{path}, record {number}: {errors.first_line(error)}"
    ) from error


def check_values(
  record: Mapping[str, np.ndarray], ends: Mapping[str, int], where: str
) -> None:
  """Refuses features of a record that lack or are not in [0, end), by name."""
  for name, end in ends.items():
    rule = f"records must have {name} in [0, {end})"
    errors.require(name in record, rule, f"{where} without it")
    wrong = record[name][(record[name] < 0) | (record[name] >= end)]
    if wrong.size:
      raise errors.UserError(f"{rule}. Received: {wrong[0]} in {where}")


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
