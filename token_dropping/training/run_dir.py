# SPDX-License-Identifier: Apache-2.0
"""The folder of one run: writable, and of the same model as before.

It also holds the tokenizer and, for a classifier, `labels.txt`: a model is of
no use with others, and the dataset may not live as long as the model.
"""

import os
from collections.abc import Iterable

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import train_utils

from token_dropping.common import errors
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config
from token_dropping.dropping import config as dropping_config
from token_dropping.dropping.drops import drop_types
from token_dropping.dropping.importance import importance_types
from token_dropping.tasks import experiments

# Fields of the model config that leave alone what it learns; a run may go on
# with another value.
FREE_FIELDS = dropping_config.FREE_FIELDS | {
  "attention_dropout_rate",
  "dropout_rate",
}
_IMPORTANCE_TYPE = "encoder.any.importance.type"


def check_run_dir(params: cfg.ExperimentConfig, model_dir: str) -> None:
  """Refuses a folder, on any filesystem, that holds a run of another model."""
  path = os.path.join(model_dir, "params.yaml")
  if not tf.io.gfile.exists(path):
    return
  task = plain_yaml.read_yaml(path).get("task")
  there = _leaves(task.get("model", {}) if isinstance(task, dict) else {})
  here = _leaves(params.task.model.as_dict())
  for field in sorted(there.keys() | here.keys()):
    old, new = there.get(field), here.get(field)
    if old != new and FREE_FIELDS.isdisjoint(field.split(".")):
      raise errors.UserError(
        f"--model_dir must be new or hold a run of the same model; {path} has "
        f"task.model.{field}={old}. Received: {new}"
      )


def make_run_dir(params: cfg.ExperimentConfig, model_dir: str) -> None:
  """Makes the folder and writes `params.yaml`, the tokenizer and labels."""
  hooks = experiments.hooks_of(params)
  words = _read_vocabulary(hooks.vocab_file())
  config = hooks.tokenizer_config()
  try:
    train_utils.serialize_config(params, model_dir)
    if words is not None:
      _write_tokenizer(words, config, model_dir)
    if hooks.labels():
      _write_labels(hooks.labels(), model_dir)
  except (tf.errors.OpError, OSError) as error:
    raise errors.UserError(
      f"--model_dir must be a writable folder. Received: {model_dir!r}"
    ) from error


def _read_vocabulary(path: str) -> bytes | None:
  if not path:
    return None
  vocabulary.Vocabulary.from_file(path)  # checks it
  with tf.io.gfile.GFile(path, "rb") as file:
    return file.read()


def _write_tokenizer(
  words: bytes,
  config: tokenizer_config.TokenizerConfig | None,
  model_dir: str,
) -> None:
  with tf.io.gfile.GFile(
    os.path.join(model_dir, vocabulary.FILE), "wb"
  ) as file:
    file.write(words)
  # Records from elsewhere do not say; what a user wrote there stays.
  path = os.path.join(model_dir, tokenizer_config.FILE)
  if config is not None or not tf.io.gfile.exists(path):
    (config or tokenizer_config.TokenizerConfig()).write(model_dir)


def _write_labels(labels: Iterable[str], model_dir: str) -> None:
  with tf.io.gfile.GFile(
    os.path.join(model_dir, vocabulary.LABELS_FILE), "w"
  ) as file:
    file.write("".join(f"{label}\n" for label in labels))


def _leaves(model: dict) -> dict:
  """An unset type of importance, as in old runs, is what it stands for."""
  leaves = _flat(model)
  if leaves.get("encoder.type") == "any":
    kind = leaves.get(_IMPORTANCE_TYPE)
    drop_type = leaves.get("encoder.any.drop.type", drop_types.DEFAULT)
    leaves[_IMPORTANCE_TYPE] = importance_types.resolve(kind, drop_type)
  return leaves


def _flat(tree, prefix: str = "") -> dict:
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
