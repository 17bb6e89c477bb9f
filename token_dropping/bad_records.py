# SPDX-License-Identifier: Apache-2.0
"""Which file and record stopped a run.

A batch does not say where its records come from. What a step reads is a
function of the step, though, so the records can be looked at again.
"""

import itertools

import tensorflow as tf
from official.common import dataset_fn
from official.core import config_definitions as cfg
from official.core import input_reader

from token_dropping import epochs
from token_dropping import errors
from token_dropping import experiment_checks
from token_dropping import finetune_config
from token_dropping import record_checks


def find(
  params: cfg.ExperimentConfig, mode: str, step: int, error: tf.errors.OpError
) -> errors.UserError | None:
  """Explains an error of the input.

  Args:
    params: the experiment.
    mode: of the launcher.
    step: the first one of the loop in which the error came.
    error: what TensorFlow raised.

  Returns:
    The error to report: with file and record where they are found; `None` if it
    is not one of the input.
  """
  if finetune_config.is_finetuning(params.task):
    return None
  steps = params.trainer.steps_per_loop
  vocab_size = params.task.model.encoder.get().vocab_size
  for path, data in experiment_checks.used_data(params, mode).items():
    if data.tfds_name or data.input_path == "dummy":
      continue
    try:
      for file in input_reader.match_files(data.input_path):
        _read_through(file, data, path)
      _check_records(data, vocab_size, path, step, steps)
    except errors.UserError as found:
      return found
    except ValueError:  # the last file of a pattern went
      return errors.UserError(
        f"{path}.input_path must match at least one file. "
        f"Received: {data.input_path!r}"
      )
  rule = record_checks.broken_rule(error)
  return errors.UserError(rule) if rule else None


def _read_through(file: str, data: cfg.DataConfig, path: str) -> None:
  """Refuses a file that cannot be read to its end."""
  read = dataset_fn.pick_dataset_fn(data.file_type)
  count = 0
  try:
    for _ in read(file):
      count += 1
  except tf.errors.OpError as error:
    raise errors.UserError(
      f"{path}.input_path must match TFRecord files that can be read to their "
      f"end. Received: {file}, record {count}: {errors.first_line(error)}"
    ) from error


def _check_records(
  data: cfg.DataConfig, vocab_size: int, path: str, step: int, steps: int
) -> None:
  """Refuses the first bad record that a loop reads."""
  records = epochs.read_epochs(data, first_step=step).as_numpy_iterator()
  if data.is_training:
    records = itertools.islice(records, steps * data.global_batch_size)
  for _, record in records:
    try:
      record_checks.check_example(record, data, vocab_size, path, "a record")
    except errors.UserError:
      where = _place(record, data)
      record_checks.check_example(record, data, vocab_size, path, where)


def _place(record: bytes, data: cfg.DataConfig) -> str:
  """Returns file and number of a record."""
  read = dataset_fn.pick_dataset_fn(data.file_type)
  for file in input_reader.match_files(data.input_path):
    for index, other in enumerate(read(file).as_numpy_iterator()):
      if other == record:
        return f"{file}, record {index}"
  return "a record that is gone"
