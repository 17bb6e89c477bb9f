# SPDX-License-Identifier: Apache-2.0
"""Serialized records, each with its epoch and its place in the files.

The order of training is a function of `seed` and epoch alone, so that a run
that goes on reads what it would have read.
"""

import functools
from typing import NamedTuple

import tensorflow as tf
from official.common import dataset_fn
from official.core import config_definitions as cfg
from official.core import input_reader

from token_dropping.common import errors
from token_dropping.data import records
from token_dropping.data.batches import record_files

# Files read at a time where `cycle_length` is unset. Not the number of cores,
# as tf.data would have it: the order must not depend on the machine.
CYCLE_LENGTH = 16
_EPOCHS_PER_SEED = 1_000_003
_GRAPH_SEED = 1
# More than a file has records.
_RECORDS_PER_FILE = 1 << 40
# Stands for what cannot be read.
FAULT = b""


class ReadRecord(NamedTuple):
  """A serialized record, or a batch; `file_and_index` explains the place."""

  epoch: tf.Tensor
  place: tf.Tensor
  record: tf.Tensor


def file_and_index(place: int) -> tuple[int, int]:
  """Returns the numbers of the file and of the record in it, from 0."""
  return divmod(place, _RECORDS_PER_FILE)


def read_epochs(
  data: cfg.DataConfig,
  input_context: tf.distribute.InputContext | None = None,
  first_step: int = 0,
  contents: list[record_files.FileContent] | None = None,
) -> tf.data.Dataset:
  """Reads the files of a config, again and again in training, as `ReadRecord`s.

  Training reads the files in a new random order each time and shuffles the
  records of each epoch among themselves; it leaves out what steps before
  `first_step` read. Validation is one epoch, number 0, from its beginning. Of
  several input pipelines each reads its share of the files, or of the records
  where the files are too few. `data.cache` keeps the serialized records in
  memory, and their order before shuffling.

  A fault in a file is an error, but with `contents` the file ends there with
  `FAULT` as a record. A run that goes on raises `UserError` if there are no
  records, or a file is not what the `dataset.json` beside it says.
  """
  context = input_context or tf.distribute.InputContext()
  first_epoch, skipped = 0, 0
  numbers = tf.data.Dataset.range(1)
  if data.is_training:
    first_epoch, skipped = _position(data, context, first_step, contents)
    numbers = tf.data.Dataset.counter(first_epoch)
  cached = _read(data, context, 0, contents).cache() if data.cache else None

  def read_epoch(number: tf.Tensor) -> tf.data.Dataset:
    records = cached
    if records is None:
      records = _read(data, context, number, contents)
    records = _shuffled(records, data.shuffle_buffer_size, data, number)
    if data.is_training:
      skip = tf.constant(skipped, tf.int64)
      records = records.skip(tf.where(number == first_epoch, skip, 0))
    return records.map(lambda place, one: ReadRecord(number, place, one))

  return numbers.flat_map(read_epoch)


def _read(data: cfg.DataConfig, context, epoch, contents) -> tf.data.Dataset:
  """Reads this pipeline's share of the records once, as (place, record)."""
  if contents is None:
    files = input_reader.match_files(data.input_path)
    contents = [record_files.FileContent(file, -1) for file in files]  # -1: all
  files = tf.data.Dataset.from_tensor_slices(
    (
      tf.range(len(contents), dtype=tf.int64),
      [content.file for content in contents],
      tf.constant([content.records for content in contents], tf.int64),
      tf.constant([content.faults for content in contents], tf.int64),
    )
  )
  count = len(contents)
  shards, index = _share(data, context)
  reader = dataset_fn.pick_dataset_fn(data.file_type)
  if not data.enable_tf_data_service:  # whose workers run no Python of ours
    reader = functools.partial(
      records.read_serialized, file_type=data.file_type
    )
  read = functools.partial(_read_file, reader)
  if count < max(2, shards):
    return files.flat_map(read).shard(shards, index)
  cycle_length = data.cycle_length or CYCLE_LENGTH
  return (
    _shuffled(files, count, data, epoch)
    .shard(shards, index)
    .interleave(
      read,
      cycle_length=cycle_length,
      block_length=data.block_length,
      num_parallel_calls=cycle_length,
      deterministic=data.deterministic,
    )
  )


def _read_file(read, number, file, records, faults) -> tf.data.Dataset:
  ends = tf.data.Dataset.from_tensors(FAULT).take(faults)
  start = number * _RECORDS_PER_FILE
  return read(file).take(records).concatenate(ends).enumerate(start)


def _share(data: cfg.DataConfig, context) -> tuple[int, int]:
  """Returns the number of shares and the index of this pipeline's."""
  # Workers of tf.data service shard and order the files themselves.
  if data.sharding and not data.enable_tf_data_service:
    return context.num_input_pipelines, context.input_pipeline_id
  return 1, 0


def _shuffled(
  items: tf.data.Dataset, buffer_size: int, data: cfg.DataConfig, epoch
) -> tf.data.Dataset:
  """Shuffles by seed and epoch alone, whatever `tf.random.set_seed` was.

  Validation stays in order.
  """
  if not data.is_training:
    return items
  if data.enable_tf_data_service:
    return items.shuffle(buffer_size)  # every worker has an order of its own

  def shuffle(number: tf.Tensor) -> tf.data.Dataset:
    tf.random.set_seed(_GRAPH_SEED)  # of this function alone
    seed = (data.seed or 0) * _EPOCHS_PER_SEED + number
    return items.shuffle(buffer_size, seed, reshuffle_each_iteration=False)

  numbers = tf.data.Dataset.from_tensors(tf.cast(epoch, tf.int64))
  return numbers.flat_map(shuffle)


# Where a step begins.


def batches_per_step(context: tf.distribute.InputContext) -> int:
  """Returns how many replicas one input pipeline feeds."""
  return max(1, context.num_replicas_in_sync // context.num_input_pipelines)


def _position(data: cfg.DataConfig, context, step: int, contents):
  """Returns the epoch that a step begins in, and how many records in."""
  # A tf.data service does not say what it has handed out.
  if not step or data.enable_tf_data_service:
    return 0, 0
  if contents is None:
    files = input_reader.match_files(data.input_path)
    counts = record_files.count_records(files, data)
  else:
    counts = [content.records + content.faults for content in contents]
  errors.require(
    sum(counts) > 0,
    "input_path must hold records",
    f"{data.input_path!r}, whose files are empty",
  )
  size = context.get_per_replica_batch_size(data.global_batch_size)
  epoch, left = 0, step * batches_per_step(context) * size
  while left >= (records := _in_epoch(data, context, counts, epoch)):
    epoch, left = epoch + 1, left - records
  return epoch, left


def _in_epoch(data: cfg.DataConfig, context, counts, epoch: int) -> int:
  """Returns how many records this pipeline reads in an epoch."""
  shards, index = _share(data, context)
  if len(counts) < max(2, shards):
    return max(0, -((index - sum(counts)) // shards))
  # The files of a pipeline, and so their records, are others in each epoch.
  numbers = tf.data.Dataset.range(len(counts))
  order = _shuffled(numbers, len(counts), data, 0 if data.cache else epoch)
  return sum(counts[int(number)] for number in order.shard(shards, index))
