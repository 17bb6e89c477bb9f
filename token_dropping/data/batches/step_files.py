# SPDX-License-Identifier: Apache-2.0
"""Which files a training step has read, found again after the fact.

What a step reads is a function of the step, so its records can be read once
more and looked for in the files.
"""

import itertools

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import input_reader

from token_dropping.data.batches import epochs
from token_dropping.data.batches import file_contents
from token_dropping.data.batches import pretrain_data

SHOWN = 3


def find(
  params: cfg.ExperimentConfig, strategy: tf.distribute.Strategy, step: int
) -> list[str]:
  """Returns the files of the records that a step read.

  Args:
    params: a checked experiment.
    strategy: the one that trains. Of several workers each names its own files.
    step: from 1.

  Returns:
    Paths, sorted. None where they cannot be known: TensorFlow Datasets, a
    tf.data service, made-up records, fine-tuning, a file that has gone.
  """
  data = params.task.train_data
  if not _order_is_known(data):
    return []
  numbers = set()
  try:
    files = input_reader.match_files(data.input_path)
    contents = None
    if pretrain_data.skips_bad_records(data):
      contents = file_contents.read_files(files, data)
    for context in _input_contexts(strategy):
      records = epochs.read_epochs(data, context, step - 1, contents)
      count = epochs.records_per_step(data, context)
      for record in itertools.islice(records.as_numpy_iterator(), count):
        numbers.add(epochs.file_and_index(int(record.place))[0])
  except (tf.errors.OpError, ValueError):
    return []
  return sorted(files[number] for number in numbers)


def describe(files: list[str]) -> str:
  """Returns files as a part of a line: the first few, and how many more.

  Example:

  >>> describe([f"train-{n}" for n in range(5)])
  'train-0, train-1, train-2 and 2 more files'
  """
  more = len(files) - SHOWN
  shown = ", ".join(files[:SHOWN])
  return f"{shown} and {more} more files" if more > 0 else shown


def _order_is_known(data: cfg.DataConfig) -> bool:
  return (
    isinstance(data, pretrain_data.PretrainDataConfig)
    and not data.tfds_name
    and not data.enable_tf_data_service
    and data.input_path != "dummy"
  )


def _input_contexts(strategy: tf.distribute.Strategy) -> list:
  """Returns the input pipelines that this process feeds."""
  contexts = []

  def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
    contexts.append(context)
    return tf.data.Dataset.range(0)

  strategy.distribute_datasets_from_function(make)
  return contexts
