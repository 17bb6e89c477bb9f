# SPDX-License-Identifier: Apache-2.0
"""How many records the files of a config hold, and where one breaks off."""

from typing import NamedTuple

import tensorflow as tf
from official.common import dataset_fn
from official.core import config_definitions as cfg

from token_dropping.common import errors


class FileContent(NamedTuple):
  """What can be read of a file.

  Attributes:
    file: path.
    records: how many come before its end or its first fault.
    fault: what TensorFlow says of the record after these; `None` where the
      file can be read to its end.
  """

  file: str
  records: int
  fault: str | None = None

  @property
  def faults(self) -> int:
    """1 where the file breaks off, else 0."""
    return int(self.fault is not None)

  def describe_fault(self, path: str) -> str:
    """Returns the complaint about a file that breaks off.

    Args:
      path: dotted path of the data config.
    """
    return (
      f"{path}.input_path must match TFRecord files that can be read to their "
      f"end. Received: {self.file}, record {self.records}: {self.fault}"
    )


def read_file(file: str, data: cfg.DataConfig, count: int = -1) -> FileContent:
  """Reads one file.

  Args:
    file: path.
    data: says of which type the file is.
    count: how many records to read at most; -1 reads all.

  Returns:
    What can be read of it; nothing of a file that is not there.
  """
  read = dataset_fn.pick_dataset_fn(data.file_type)
  records = 0
  try:
    for _ in read(file).take(count):
      records += 1
  except tf.errors.OpError as error:
    return FileContent(file, records, errors.first_line(error))
  return FileContent(file, records)


def read_files(files: list[str], data: cfg.DataConfig) -> list[FileContent]:
  """Reads several files at a time.

  Args:
    files: paths.
    data: says of which type the files are.

  Returns:
    What can be read of each.
  """
  read = dataset_fn.pick_dataset_fn(data.file_type)

  def count(file: tf.Tensor) -> tf.Tensor:
    return read(file).reduce(tf.constant(0, tf.int64), lambda n, _: n + 1)

  def count_or_fault(file: tf.Tensor) -> tf.data.Dataset:
    counted = tf.data.Dataset.from_tensors(file).map(count).ignore_errors()
    fault = tf.data.Dataset.from_tensors(tf.constant(-1, tf.int64))
    return counted.concatenate(fault).take(1)

  counts = tf.data.Dataset.from_tensor_slices(files).interleave(
    count_or_fault, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
  )
  return [
    read_file(file, data) if number < 0 else FileContent(file, int(number))
    for file, number in zip(files, counts, strict=True)
  ]
