# SPDX-License-Identifier: Apache-2.0
"""From the name of a checkpoint to files that are known to be whole."""

import os
import re

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import filesystems

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# The reader's own for a key that is not there is a RuntimeError.
READ_ERRORS = (tf.errors.OpError, ValueError, RuntimeError, IndexError)
_PART = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
# What a folder is, by a file in it.
_FOLDERS = {
  "saved_model.pb": "a SavedModel; the run that it was made of has one",
  "config.json": "a folder of Hugging Face, of which `python -m "
  "token_dropping.huggingface import` makes a run",
}


def find(path: str, source: str) -> str:
  """Returns the prefix of a checkpoint, a folder's latest, read in full.

  Raises `UserError`, which says what is there instead; `source` is the flag or
  config path that named it.
  """
  filesystems.require_tensorflow(path, source)
  is_folder = tf.io.gfile.isdir(path)
  prefix = latest(path) if is_folder else path
  if prefix is None:
    raise unusable(path, source, describe_folder(path))
  problem = find_problem(prefix)
  if problem:
    raise unusable(prefix, source, problem)
  return prefix


def latest(folder: str) -> str | None:
  """Returns the latest checkpoint that a folder's list names, if it is there.

  TensorFlow's own function logs what is not there, and fails at a bad list.
  """
  try:
    state = tf.train.get_checkpoint_state(folder)
  except ValueError:  # the list is not the text that it should be
    return None
  prefix = state.model_checkpoint_path if state else ""
  return prefix if prefix and tf.io.gfile.exists(f"{prefix}.index") else None


def copy(prefix: str, target: str) -> None:
  """Copies a checkpoint; the index, which makes it one, comes last."""
  parts = (p for p in tf.io.gfile.glob(f"{prefix}.*") if _PART.search(p))
  for path in sorted(parts):  # data before index
    files.copy(path, target + path.removeprefix(prefix))


def unusable(path: str, source: str, reason) -> errors.UserError:
  """Returns the error of what is no checkpoint, for a reason or an error."""
  if isinstance(reason, Exception):
    reason = errors.first_line(reason)
  return errors.UserError(
    f"{source} must name a whole checkpoint of TensorFlow 2, or a folder with "
    f"one. Received: {path!r}, {reason}"
  )


def find_problem(prefix: str) -> str | None:
  """Reads a checkpoint in full; returns why it cannot be used, on one line."""
  problem = _find_missing_file(prefix) or find_damage(prefix)
  if not problem and not tf.train.load_checkpoint(prefix).has_tensor(GRAPH):
    return (
      "of TensorFlow 1, whose weights have names alone; Model Garden's "
      "official/nlp/tools/tf2_bert_encoder_checkpoint_converter.py converts it"
    )
  return problem


def find_damage(prefix: str) -> str | None:
  """Reads every tensor of a checkpoint; returns what is wrong, on one line.

  TensorFlow keeps a checksum of every tensor.
  """
  try:
    reader = tf.train.load_checkpoint(prefix)
    for name in reader.get_variable_to_shape_map():
      reader.get_tensor(name)
  except READ_ERRORS as error:
    return errors.first_line(error)
  return None


def describe_folder(path: str) -> str:
  """Returns what is there in place of a folder with a latest checkpoint."""
  if not tf.io.gfile.exists(path):
    return "which is not there"
  if not tf.io.gfile.isdir(path):
    return "which is no folder"
  names = tf.io.gfile.listdir(path)
  for name, what in _FOLDERS.items():
    if name in names:
      return what
  if found := sorted(n for n in names if n.endswith(".index")):
    name = os.path.join(path, found[-1].removesuffix(".index"))
    return f"a folder whose file `checkpoint` names none; one of it is {name!r}"
  return "a folder without checkpoints"


def _find_missing_file(prefix: str) -> str:
  """Returns what a prefix is where a checkpoint's files are not there."""
  folder, name = os.path.split(prefix)
  there = tf.io.gfile.isdir(folder or ".")
  names = tf.io.gfile.listdir(folder or ".") if there else []
  index = f"{name}.index" in names
  data = any(other.startswith(f"{name}.data-") for other in names)
  if index and data:
    return ""
  if index or data:
    return f"without its .{'data' if index else 'index'} file"
  if not tf.io.gfile.exists(prefix):
    return "which is not there"
  if _PART.search(name):
    return f"a part of the checkpoint {_PART.sub('', prefix)!r}"
  return "a file of another kind"
