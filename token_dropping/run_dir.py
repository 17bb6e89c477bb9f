# SPDX-License-Identifier: Apache-2.0
"""The folder of one run: writable, and of the same model as before."""

import os

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import train_utils

from token_dropping import errors
from token_dropping import plain_yaml

# Fields of the model config that leave its weights alone; a run may go on with
# another value.
FREE_FIELDS = frozenset(
  {
    "attention_dropout_rate",
    "drop_at_inference",
    "drop_layer",
    "dropout_rate",
    "restore_layer",
    "token_allow_list",
    "token_deny_list",
    "token_keep_k",
    "token_keep_ratio",
    "token_loss_beta",
    "token_loss_init_value",
    "vocab_file",
  }
)


def check_run_dir(params: cfg.ExperimentConfig, model_dir: str) -> None:
  """Refuses a folder that holds a run of another model.

  Args:
    params: the experiment to run.
    model_dir: folder on any filesystem that TensorFlow knows.

  Raises:
    UserError: with the first field that differs.
  """
  path = os.path.join(model_dir, "params.yaml")
  if not tf.io.gfile.exists(path):
    return
  task = plain_yaml.read_yaml(path).get("task")
  there = _flat(task.get("model", {}) if isinstance(task, dict) else {})
  here = _flat(params.task.model.as_dict())
  for field in sorted(there.keys() | here.keys()):
    old, new = there.get(field), here.get(field)
    if old != new and FREE_FIELDS.isdisjoint(field.split(".")):
      raise errors.UserError(
        f"--model_dir must be new or hold a run of the same model; {path} has "
        f"task.model.{field}={old}. Received: {new}"
      )


def make_run_dir(params: cfg.ExperimentConfig, model_dir: str) -> None:
  """Makes the folder and writes `params.yaml`.

  Raises:
    UserError: the folder cannot be written.
  """
  try:
    train_utils.serialize_config(params, model_dir)
  except (tf.errors.OpError, OSError) as error:
    raise errors.UserError(
      f"--model_dir must be a writable folder. Received: {model_dir!r}"
    ) from error


def _flat(tree, prefix: str = "") -> dict:
  """Returns the leaves of nested dictionaries and lists by dotted path."""
  if isinstance(tree, dict):
    items = tree.items()
  elif isinstance(tree, list | tuple):
    items = enumerate(tree)
  else:
    return {prefix: tree}
  leaves = {}
  for key, value in items:
    leaves |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
  return leaves
