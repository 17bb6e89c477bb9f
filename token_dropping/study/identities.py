# SPDX-License-Identifier: Apache-2.0
"""What decides about the result of a run, whatever machine it ran on."""

import functools
import hashlib
import json
import os

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import exp_factory

from token_dropping.data.batches import dataset_card
from token_dropping.tasks import run_config

# Where a config names files: folders differ between machines.
_PATHS = ("input_path", "table_file", "vocab_file")


def changed(experiment: str, params: cfg.ExperimentConfig) -> dict:
  """Returns what differs from the experiment's defaults, by dotted path."""
  return _changed(_default(experiment), params.as_dict())


@functools.cache
def _default(experiment: str) -> dict:
  """What is new in this package, and not used, changes no identity."""
  params = exp_factory.get_exp_config(experiment)
  run_config.extend(params)
  return params.as_dict()


def of_records(identity: dict, measured: dict) -> dict:
  """Returns an identity with what only records tell, as it was `measured`."""
  config, there = (
    {
      path: value
      for path, value in part["config"].items()
      if path.endswith(".vocab_file") == from_records
    }
    for part, from_records in ((identity, False), (measured, True))
  )
  told = {"config": config | there, "data": measured.get("data")}
  return identity | told


def _changed(default, value, path: str = "") -> dict:
  """Returns the leaves that differ from a default, by dotted path."""
  if isinstance(default, dict) and isinstance(value, dict):
    leaves = {}
    for key, item in value.items():
      dotted = f"{path}.{key}" if path else key
      leaves |= _changed(default.get(key), item, dotted)
    return leaves
  default, value = (
    list(item) if isinstance(item, tuple) else item for item in (default, value)
  )
  if value == default or (default is None and value is False):
    return {}
  if is_path(path) and isinstance(value, str):
    value = os.path.basename(value)
  return {path: value}


def is_path(path: str) -> bool:
  """Returns whether a field names files."""
  return path.rsplit(".", 1)[-1] in _PATHS


def fingerprint(params: cfg.ExperimentConfig) -> str:
  """Returns what tells records from others: their card's files, or sizes."""
  content = []
  for data in (params.task.train_data, params.task.validation_data):
    card = dataset_card.read_card(data)
    content.append(_sizes(data) if card is None else card.get("files"))
  return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _sizes(data: cfg.DataConfig) -> list:
  paths = data.input_path
  patterns = paths.split(",") if isinstance(paths, str) else list(paths)
  return [
    [os.path.basename(path), tf.io.gfile.stat(path).length]
    for path in sorted(tf.io.gfile.glob(patterns))
  ]
