# SPDX-License-Identifier: Apache-2.0
"""What `token_dropping.data.prepare` wrote beside the records."""

import json
import os

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping import encoder_config
from token_dropping import errors
from token_dropping import pretrain_data


def read_card(data: cfg.DataConfig) -> dict | None:
  """Reads the `dataset.json` beside the records.

  Args:
    data: config of the records.

  Returns:
    The dictionary, or `None` for records from elsewhere.

  Raises:
    UserError: the file is not JSON.
  """
  path = _beside(data, "dataset.json")
  if path is None:
    return None
  try:
    with tf.io.gfile.GFile(path) as file:
      return json.loads(file.read())
  except ValueError as error:
    raise errors.UserError(
      f"dataset.json must be JSON. Received: {path} ({error})"
    ) from error


def fill_in_vocab_file(params: cfg.ExperimentConfig) -> None:
  """Sets every unset `vocab_file` to the `vocab.txt` beside prepared records.

  That of the encoder, and those of data with dynamic masking.
  """
  task = params.task
  config = task.model.encoder.get()
  if isinstance(config, encoder_config.TokenDropEncoderConfig):
    _fill_in(config, task.train_data)
  for data in (task.train_data, task.validation_data):
    if pretrain_data.is_dynamic(data):
      _fill_in(data, data)


def _fill_in(config, data: cfg.DataConfig) -> None:
  if not config.vocab_file and _beside(data, "dataset.json") is not None:
    config.vocab_file = _beside(data, "vocab.txt") or ""


def _beside(data: cfg.DataConfig, name: str) -> str | None:
  """Returns the path of a file in the folder of the records, if it exists."""
  paths = data.input_path
  first = paths[0] if isinstance(paths, list | tuple) and paths else paths
  if not isinstance(first, str) or not first:
    return None
  folder = os.path.dirname(first.split(",")[0].strip())
  path = os.path.join(folder, name)
  return path if tf.io.gfile.exists(path) else None
