# SPDX-License-Identifier: Apache-2.0
"""Bad records: refused before a run, skipped in it, or found after it failed.

A batch does not say where its records come from, but what a step reads is a
function of the step, so the records can be looked at again.
"""

import math
import sys
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import input_reader

from token_dropping.common import errors
from token_dropping.common import filesystems
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.data.batches import epochs
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_files
from token_dropping.data.batches import record_rules

# How much of the data is looked at before a run. Those that remain are checked
# as they are read.
FILES_CHECKED = 8
RECORDS_CHECKED = 16


# Before a run.


def check_first_records(rules) -> None:
  """Refuses a config, by its rules, that the first records do not fit."""
  data, path = rules.data, rules.path
  if not _has_files(data):
    return
  files = _matching_files(data, path)[:FILES_CHECKED]
  if pretrain_data.reads_vocabulary(data):
    _check_vocab_file(data, rules.vocab_size, path)
  good, complaint = 0, None
  for file in files:
    for index, record in enumerate(_first_records(file, data, path)):
      try:
        rules.check_record(record, f"{file}, record {index}")
        good += 1
      except errors.UserError as error:
        if not pretrain_data.skips_bad_records(data):
          raise
        complaint = complaint or error
  if complaint and not good:
    raise complaint  # it is the config that does not fit
  errors.require(
    good,
    f"{path}.input_path must hold records",
    f"{data.input_path!r}, whose files are empty",
  )


def _has_files(data: cfg.DataConfig) -> bool:
  return not data.tfds_name and data.input_path != "dummy"


def _matching_files(data: cfg.DataConfig, path: str) -> list[str]:
  errors.require(
    data.input_path,
    f"{path}.input_path must name TFRecord files, for example with "
    f"--params_override={path}.input_path='data/train-*'",
    "''",
  )
  given = data.input_path
  for pattern in [given] if isinstance(given, str) else given:
    filesystems.require_tensorflow(pattern.strip(), f"{path}.input_path")
  rule = f"{path}.input_path must match at least one file"
  with errors.refusing(rule, repr(given), ValueError, tf.errors.OpError):
    return input_reader.match_files(given)


def _first_records(file: str, data: cfg.DataConfig, path: str) -> list[bytes]:
  """Reads the first records of a file; to skip bad ones, up to a fault."""
  content = record_files.read_file(file, data, RECORDS_CHECKED)
  if not pretrain_data.skips_bad_records(data):
    # Model Garden's readers would not find it.
    number, fault = records.find_impossible(file, data.file_type)
    if number >= 0:
      content = content._replace(records=number, fault=fault)
    if content.fault:
      raise errors.UserError(content.describe_fault(path))
  read = records.read_serialized(file, data.file_type)
  return list(read.take(content.records).as_numpy_iterator())


def _check_vocab_file(
  data: pretrain_data.PretrainDataConfig, vocab_size: int, path: str
) -> None:
  errors.require(
    data.vocab_file,
    f"{path}.vocab_file must name the vocab.txt of the records with "
    f"{path}.masking=dynamic or {path}.attend_within_documents",
    "''",
  )
  words = len(vocabulary.Vocabulary.from_file(data.vocab_file))
  errors.require(
    words <= vocab_size,
    f"{path}.vocab_file must have at most the encoder's vocab_size tokens "
    f"({vocab_size})",
    f"{data.vocab_file!r} with {words}",
  )


# In a run.


class RecordSkipper:
  """Reads padding instead of bad records, and names each of these once.

  The others keep their places in batches, and what a step reads is still a
  function of config, files and step. Every file is read once here, to know
  where one breaks off; what it holds until then is used. Later changes are
  errors of the input. `first` is file and record of the first bad one read.
  """

  def __init__(self, rules: record_rules.RecordRules):
    self._rules = rules
    files = input_reader.match_files(rules.data.input_path)
    self.contents = record_files.read_files(files, rules.data)
    self.first = None
    self._named = set()

  def guarded(self, parse: Callable, empty_record: bytes) -> Callable:
    """Makes a parser one that parses an empty record instead of a bad one.

    Of a batch's number and `epochs.ReadRecord` it makes a dictionary, to which
    `record_rules.SKIPPED` is added.
    """

    def read_marked(index, records, bad: tf.Tensor) -> dict:
      record = tf.where(bad, empty_record, records.record)
      batch = parse(index, records._replace(record=record))
      skipped = {record_rules.SKIPPED: tf.cast(bad, tf.float32)}
      return self._rules.check_batch(batch | skipped)

    def read_all(index, records) -> dict:
      none = tf.zeros_like(records.place, tf.bool)
      return read_marked(index, records, none)

    def read_good(index, records) -> dict:
      found = [records.place, records.record]
      bad = tf.numpy_function(self._find_bad, found, tf.bool)
      bad.set_shape(records.place.shape)
      return read_marked(index, records, bad)

    def read(index, records) -> dict:
      # Records are looked at one by one only where a batch has a bad one.
      batch = tf.data.Dataset.from_tensors((index, records))
      good = batch.map(read_all).ignore_errors()
      return good.concatenate(batch.map(read_good)).take(1).get_single_element()

    return read

  def _find_bad(self, places: np.ndarray, records: np.ndarray) -> np.ndarray:
    """Returns which records of a batch are bad, [B] bool."""
    pairs = zip(places.tolist(), records, strict=True)
    return np.array([self._is_bad(place, record) for place, record in pairs])

  def _is_bad(self, place: int, record: bytes) -> bool:
    number, index = epochs.file_and_index(place)
    content = self.contents[number]
    where = f"{content.file}, record {index}"
    try:
      if content.fault is not None and index == content.records:
        raise errors.UserError(content.describe_fault(self._rules.path))
      self._rules.check_record(record, where)
    except errors.UserError as error:
      self.first = self.first or where
      if place not in self._named:
        self._named.add(place)
        policy = f"{self._rules.path}.on_bad_records=skip"
        line = f"warning: skipped ({policy}): {error}"
        print(line, file=sys.stderr, flush=True)
      return True
    return False


# After a run failed.


def explain(
  error: tf.errors.OpError,
  inputs: Mapping[str, cfg.DataConfig],
  make_rules: Callable,
  steps: range,
  skippers: Mapping[str, RecordSkipper],
) -> None:
  """Raises a `UserError` with file and record if input is behind an error.

  `inputs` are those of the run and `skippers` those that skip bad records, by
  dotted path; `steps` are those of the loop in which the error came. Of a
  config and its path `make_rules` makes the rules, if there are any.
  """
  for path, data in inputs.items():
    if not _has_files(data):
      continue
    skipper = skippers.get(path)
    _check_files(data, path, skipper.contents if skipper else ())
    rules = None if skipper else make_rules(data, path)
    if rules is not None:
      _check_records(data, rules, steps)
  rule = record_rules.broken_rule(error)
  if rule:
    raise errors.UserError(rule)


def _check_files(data: cfg.DataConfig, path: str, contents=()) -> None:
  """Refuses a file that cannot be read to its end, or as far as `contents`."""
  readable = {content.file: content.records for content in contents}
  files = list(readable) or _matching_files(data, path)
  for content in record_files.read_files(files, data):
    wanted = readable.get(content.file, math.inf)
    if content.fault is not None and content.records < wanted:
      raise errors.UserError(content.describe_fault(path))


def _check_records(data: cfg.DataConfig, rules, steps: range) -> None:
  """Refuses the first bad record that the steps read."""
  files = input_reader.match_files(data.input_path)
  read = epochs.read_epochs(data, first_step=steps.start)
  if data.is_training:
    read = read.take(len(steps) * data.global_batch_size)
  for _, place, record in read.as_numpy_iterator():
    number, index = epochs.file_and_index(int(place))
    rules.check_record(record, f"{files[number]}, record {index}")
