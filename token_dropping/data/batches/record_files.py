# SPDX-License-Identifier: Apache-2.0
"""How many records the files of a config hold, and where one breaks off."""

import os
from typing import NamedTuple

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data import records as records_lib
from token_dropping.data.pretraining import dataset_folder


class FileContent(NamedTuple):
  """How many records of a file come before its end or its first fault.

  `fault` is what TensorFlow says of the next record, `None` at the file's end.
  """

  file: str
  records: int
  fault: str | None = None

  @property
  def faults(self) -> int:
    """1 where the file breaks off, else 0."""
    return int(self.fault is not None)

  def describe_fault(self, path: str) -> str:
    """Returns the complaint, given the dotted path of the data config."""
    return (
      f"{path}.input_path must match TFRecord files that can be read to their "
      f"end. Received: {self.file}, record {self.records}: {self.fault}"
    )


def read_file(file: str, data: cfg.DataConfig, count: int = -1) -> FileContent:
  """Reads a file, or its first `count` records, as far as it can be read."""
  records = 0
  try:
    for _ in records_lib.read_serialized(file, data.file_type).take(count):
      records += 1
  except tf.errors.OpError as error:
    return FileContent(file, records, errors.first_line(error))
  return FileContent(file, records)


def read_files(files: list[str], data: cfg.DataConfig) -> list[FileContent]:
  """Reads several files at a time, each as far as it can be read."""

  def count_or_fault(file: tf.Tensor) -> tf.data.Dataset:
    counted = tf.data.Dataset.from_tensors(file).map(_counter(data))
    fault = tf.data.Dataset.from_tensors(tf.constant(-1, tf.int64))
    return counted.ignore_errors().concatenate(fault).take(1)

  counts = tf.data.Dataset.from_tensor_slices(files).interleave(
    count_or_fault, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
  )
  return [
    read_file(file, data) if number < 0 else FileContent(file, int(number))
    for file, number in zip(files, counts, strict=True)
  ]


def count_records(files: list[str], data: cfg.DataConfig) -> list[int]:
  """Counts the records of each file, or trusts a `dataset.json` beside it.

  Another size than listed is a `UserError`, an unreadable file an `OpError`.
  """
  counts = _listed_counts(files)
  unlisted = [file for file in files if file not in counts]
  if unlisted:
    counted = tf.data.Dataset.from_tensor_slices(unlisted).map(
      _counter(data), num_parallel_calls=tf.data.AUTOTUNE
    )
    counts |= dict(zip(unlisted, map(int, counted), strict=True))
  return [counts[file] for file in files]


def _counter(data: cfg.DataConfig):
  """Returns a function that counts the records of a file in the graph."""
  read = records_lib.read_serialized
  zero = tf.constant(0, tf.int64)
  return lambda file: read(file, data.file_type).reduce(
    zero, lambda count, _: count + 1
  )


def _listed_counts(files: list[str]) -> dict[str, int]:
  """Returns the counts of the files that a `dataset.json` lists."""
  counts = {}
  for folder in sorted({os.path.dirname(file) for file in files}):
    card = dataset_folder.find_card(folder) or {"files": {}}
    paths = {
      os.path.basename(file): file
      for file in files
      if os.path.dirname(file) == folder
    }
    entries = {
      name: entry
      for name, entry in card["files"].items()
      if name in paths and "records" in entry
    }
    dataset_folder.check_sizes(folder, entries)
    counts |= {paths[name]: entry["records"] for name, entry in entries.items()}
  return counts
