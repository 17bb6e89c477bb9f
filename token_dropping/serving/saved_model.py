# SPDX-License-Identifier: Apache-2.0
"""Writes a SavedModel into the next version folder.

TensorFlow Serving watches a folder of numbered versions and loads one as soon
as it is there: a version is written elsewhere and then moved.
"""

import contextlib
import os
from collections.abc import Callable, Iterator

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.serving import warmup

EXTRA = "assets.extra"
_UNFINISHED = ".unfinished"


def next_version(folders: list[str]) -> int:
  """Returns the first number above the versions in any of the folders.

  Example:

  >>> next_version(["no/such/folder"])
  1
  """
  names = [
    name.rstrip("/")
    for folder in folders
    if tf.io.gfile.isdir(folder)
    for name in tf.io.gfile.listdir(folder)
  ]
  return max((int(name) for name in names if name.isdecimal()), default=0) + 1


def write(
  folder: str,
  signatures: dict[str, Callable],
  requests: dict[str, dict],
  labels: str,
  extra: list[str],
) -> None:
  """Writes a SavedModel that is no version yet; `publish` makes it one.

  The weights are those that the signatures use.

  Args:
    folder: of all versions, local or on any filesystem TensorFlow knows.
    signatures: concrete functions by name.
    requests: for warming up, by signature: arrays by input name.
    labels: path of a `labels.txt`, for `assets/`; empty for none.
    extra: paths of files for `assets.extra/`.

  Raises:
    UserError: the folder cannot be written.
  """
  path = os.path.join(folder, _UNFINISHED)
  extra_folder = os.path.join(path, EXTRA)
  with _reported(folder):
    if tf.io.gfile.exists(path):  # of an export that was killed
      tf.io.gfile.rmtree(path)
    tf.io.gfile.makedirs(folder)
    tf.saved_model.save(_root(signatures, labels), path, signatures)
    tf.io.gfile.makedirs(extra_folder)
    for source in extra:
      name = os.path.basename(source)
      tf.io.gfile.copy(source, os.path.join(extra_folder, name))
    warmup.write_requests(extra_folder, requests)


def publish(folder: str, version: int) -> str:
  """Moves what `write` wrote to where servers look; returns the path.

  Raises:
    UserError: the folder cannot be written.
  """
  path = os.path.join(folder, str(version))
  with _reported(folder):
    tf.io.gfile.rename(os.path.join(folder, _UNFINISHED), path)
  return path


@contextlib.contextmanager
def _reported(folder: str) -> Iterator[None]:
  try:
    yield
  except (tf.errors.OpError, OSError) as error:
    raise errors.UserError(
      f"--output_dir must be a writable folder. Received: {folder!r}"
    ) from error


def _root(signatures: dict[str, Callable], labels: str) -> tf.Module:
  """Returns the object whose weights and assets are saved.

  Not the Keras model: of that, Keras saves training functions too.
  """
  root = tf.Module()
  weights = {
    weight.ref(): weight
    for function in signatures.values()
    for weight in function.graph.variables
  }
  root.weights = list(weights.values())
  if labels:
    root.labels = tf.saved_model.Asset(labels)
  return root
