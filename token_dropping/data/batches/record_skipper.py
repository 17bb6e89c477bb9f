# SPDX-License-Identifier: Apache-2.0
"""Padding instead of bad records, so that a run goes on without them.

Nothing else moves: the other records stay where they are in their batches, and
what a step reads is still a function of config, files and step.
"""

import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from official.core import input_reader

from token_dropping.common import errors
from token_dropping.data.batches import epochs
from token_dropping.data.batches import file_contents
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_checks
from token_dropping.data.batches import value_checks


class RecordSkipper:
  """Replaces the bad records of a data config and names each once.

  Every file is read once here, to know where one breaks off; what it holds
  until then is used. A file that changes later is an error of the input.

  Args:
    data: a `PretrainDataConfig`.
    vocab_size: int, V.
    path: dotted path of `data`, for messages.

  Attributes:
    contents: of the files, for `epochs.read_epochs`.
    first: file and record of the first bad record that was read; `None` if
      there was none yet.
  """

  def __init__(
    self, data: pretrain_data.PretrainDataConfig, vocab_size: int, path: str
  ):
    self._data = data
    self._vocab_size = vocab_size
    self._path = path
    files = input_reader.match_files(data.input_path)
    self.contents = file_contents.read_files(files, data)
    self.first = None
    self._named = set()

  def guarded(self, parse: Callable, empty_record: bytes) -> Callable:
    """Makes a parser one that skips bad records.

    Args:
      parse: takes the number of a batch and its `epochs.ReadRecord`; returns
        the batch as a dictionary.
      empty_record: what to parse in place of a bad record.

    Returns:
      A function like `parse`, whose batches have `value_checks.SKIPPED` too.
    """

    def read_all(index, records) -> dict:
      none = tf.zeros_like(records.place, tf.float32)
      return self._checked(parse(index, records), none)

    def read_good(index, records) -> dict:
      bad = tf.numpy_function(
        self._find_bad, [records.place, records.record], tf.bool
      )
      bad.set_shape(records.place.shape)
      record = tf.where(bad, empty_record, records.record)
      batch = parse(index, records._replace(record=record))
      return self._checked(batch, tf.cast(bad, tf.float32))

    def read(index, records) -> dict:
      # Records are looked at one by one only where a batch has a bad one.
      batch = tf.data.Dataset.from_tensors((index, records))
      good = batch.map(read_all).ignore_errors()
      return good.concatenate(batch.map(read_good)).take(1).get_single_element()

    return read

  def _checked(self, batch: dict, skipped: tf.Tensor) -> dict:
    return value_checks.checked_values(
      batch | {value_checks.SKIPPED: skipped},
      self._vocab_size,
      static=not pretrain_data.is_dynamic(self._data),
    )

  def _find_bad(self, places: np.ndarray, records: np.ndarray) -> np.ndarray:
    """Returns which records of a batch are bad, [B] bool."""
    return np.array(
      [
        self._is_bad(int(place), record)
        for place, record in zip(places, records, strict=True)
      ]
    )

  def _is_bad(self, place: int, record: bytes) -> bool:
    number, index = epochs.file_and_index(place)
    content = self.contents[number]
    where = f"{content.file}, record {index}"
    if content.fault is not None and index == content.records:
      self._name(place, where, content.describe_fault(self._path))
      return True
    try:
      record_checks.check_example(
        record, self._data, self._vocab_size, self._path, where
      )
    except errors.UserError as error:
      self._name(place, where, str(error))
      return True
    return False

  def _name(self, place: int, where: str, complaint: str) -> None:
    self.first = self.first or where
    if place not in self._named:
      self._named.add(place)
      line = f"warning: skipped ({self._path}.on_bad_records=skip): {complaint}"
      print(line, file=sys.stderr, flush=True)
