# SPDX-License-Identifier: Apache-2.0
"""Serialized records, each with the number of the epoch that it is read in."""

import tensorflow as tf
from official.common import dataset_fn
from official.core import config_definitions as cfg
from official.core import input_reader


def read_epochs(
  data: cfg.DataConfig,
  input_context: tf.distribute.InputContext | None = None,
  first_epoch: int = 0,
) -> tf.data.Dataset:
  """Reads the files of a config, again and again in training.

  As Model Garden's reader does, training reads the files in a new random order
  each time, and of several input pipelines each reads its share of the files,
  or of the records where the files are too few.

  Args:
    data: its `cache` keeps the serialized records in memory, and the order.
    input_context: which part of the records to read; `None` means all.
    first_epoch: number of the first epoch in training. Validation is one epoch,
      number 0.

  Returns:
    Scalars (epoch int64, record string).
  """
  if data.is_training:
    numbers = tf.data.Dataset.counter(first_epoch)
  else:
    numbers = tf.data.Dataset.range(1)
  cached = None
  if data.cache:
    cached = _read(data, input_context, first_epoch).cache()

  def read_epoch(number: tf.Tensor) -> tf.data.Dataset:
    records = cached
    if records is None:
      records = _read(data, input_context, number)
    return records.map(lambda record: (number, record))

  return numbers.flat_map(read_epoch)


def _read(data: cfg.DataConfig, input_context, epoch) -> tf.data.Dataset:
  """Reads this pipeline's share of the records once."""
  read = dataset_fn.pick_dataset_fn(data.file_type)
  files = input_reader.match_files(data.input_path)
  # Workers of tf.data service shard and order the files themselves.
  shards, index = 1, 0
  if input_context and data.sharding and not data.enable_tf_data_service:
    shards = input_context.num_input_pipelines
    index = input_context.input_pipeline_id
  if len(files) < max(2, shards):
    return read(files).shard(shards, index)
  paths = tf.data.Dataset.from_tensor_slices(files)
  if data.is_training:
    paths = paths.shuffle(len(files), seed=_order_seed(data, epoch))
  return paths.shard(shards, index).interleave(
    read,
    cycle_length=data.cycle_length,
    block_length=data.block_length,
    num_parallel_calls=data.cycle_length or tf.data.AUTOTUNE,
    deterministic=data.deterministic,
  )


def _order_seed(data: cfg.DataConfig, epoch):
  """Returns the seed of the order of the files, the same in every pipeline."""
  if data.enable_tf_data_service:
    return None  # every worker has an order of its own
  return tf.cast((data.seed or 0) + epoch, tf.int64)
