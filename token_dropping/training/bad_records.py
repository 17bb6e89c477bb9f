# SPDX-License-Identifier: Apache-2.0
"""Which file and record stopped a run.

A batch does not say where its records come from. What a step reads is a
function of the step, though, so the records can be looked at again.
"""

import itertools

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import input_reader

from token_dropping.common import errors
from token_dropping.data.batches import epochs
from token_dropping.data.batches import file_contents
from token_dropping.data.batches import record_checks
from token_dropping.data.batches import record_skipper
from token_dropping.data.batches import value_checks
from token_dropping.tasks.finetuning import filling as finetune_filling
from token_dropping.training import experiment_checks


def explain(
  error: tf.errors.OpError,
  params: cfg.ExperimentConfig,
  mode: str,
  step: int,
  skippers: dict[str, record_skipper.RecordSkipper] | None = None,
) -> None:
  """Looks for the record behind an error; returns if it is not of the input.

  Args:
    error: what TensorFlow raised.
    params: the experiment.
    mode: of the launcher.
    step: the first one of the loop in which the error came.
    skippers: of the data configs that skip bad records, by dotted path.

  Raises:
    UserError: with file and record where they are found.
  """
  # Records of fine-tuning have other features; we have made them.
  has_rules = not finetune_filling.is_finetuning(params.task)
  vocab_size = params.task.model.encoder.get().vocab_size
  for path, data in experiment_checks.used_data(params, mode).items():
    if data.tfds_name or data.input_path == "dummy":
      continue
    skipper = (skippers or {}).get(path)
    if skipper:
      _check_unchanged(skipper.contents, data, path)
      continue
    _check_files(data, path)
    if has_rules:
      steps = params.trainer.steps_per_loop
      _check_records(data, vocab_size, path, step, steps)
  rule = value_checks.broken_rule(error)
  if rule:
    raise errors.UserError(rule)


def _check_files(data: cfg.DataConfig, path: str) -> None:
  """Refuses a file that cannot be read to its end."""
  try:
    files = input_reader.match_files(data.input_path)
  except ValueError as error:  # the last file of a pattern went
    raise errors.UserError(
      f"{path}.input_path must match at least one file. "
      f"Received: {data.input_path!r}"
    ) from error
  for content in file_contents.read_files(files, data):
    if content.fault is not None:
      raise errors.UserError(content.describe_fault(path))


def _check_unchanged(
  contents: list[file_contents.FileContent], data: cfg.DataConfig, path: str
) -> None:
  """Refuses a file that breaks off elsewhere than it did at the start."""
  files = [content.file for content in contents]
  after = file_contents.read_files(files, data)
  for before, now in zip(contents, after, strict=True):
    if now.fault is not None and now.records < before.records:
      raise errors.UserError(now.describe_fault(path))


def _check_records(
  data: cfg.DataConfig, vocab_size: int, path: str, step: int, steps: int
) -> None:
  """Refuses the first bad record that a loop reads."""
  files = input_reader.match_files(data.input_path)
  records = epochs.read_epochs(data, first_step=step).as_numpy_iterator()
  if data.is_training:
    records = itertools.islice(records, steps * data.global_batch_size)
  for _, place, record in records:
    number, index = epochs.file_and_index(int(place))
    where = f"{files[number]}, record {index}"
    record_checks.check_example(record, data, vocab_size, path, where)
