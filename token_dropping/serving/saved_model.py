# SPDX-License-Identifier: Apache-2.0
"""Writes a SavedModel, with requests to warm it up, into a version folder.

TensorFlow Serving watches a folder of numbered versions and loads one as soon
as it is there: a version is written elsewhere and then moved. The first request
of every shape is slow, so the server runs those in `assets.extra` first:
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import contextlib
import os
from collections.abc import Callable

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from token_dropping.common import files

EXTRA = "assets.extra"
WARM_UP = "tf_serving_warmup_requests"
_UNFINISHED = ".unfinished"


def next_version(folders: list[str]) -> int:
  """Returns the first number above the versions in any of the folders."""
  names = [name for folder in folders for name in files.list_names(folder)]
  return max((int(name) for name in names if name.isdecimal()), default=0) + 1


def write(
  folder: str,
  functions: dict[str, Callable],
  requests: dict[str, dict],
  tracked: dict,
  extra: list[str],
) -> None:
  """Writes a SavedModel that is no version yet; `publish` makes it one.

  It has the weights that the signatures, functions by name, use, what else is
  tracked, by name, and in `assets.extra/` the files `extra` and, of signatures
  that are there, the requests to warm up.
  """
  path = files.join(folder, _UNFINISHED)
  extra_folder = files.join(path, EXTRA)
  with _writable(folder):
    files.remove_folder(path)  # of an export that was killed
    files.make_folder(folder)
    tf.saved_model.save(_root(functions, tracked), path, functions)
    files.make_folder(extra_folder)
    for source in extra:
      files.copy(source, files.join(extra_folder, os.path.basename(source)))
    _write_requests(files.join(extra_folder, WARM_UP), functions, requests)


def publish(folder: str, version: int) -> str:
  """Moves what `write` wrote to where servers look; returns the path."""
  path = files.join(folder, str(version))
  with _writable(folder):
    files.rename(files.join(folder, _UNFINISHED), path)
  return path


def discard(folder: str) -> None:
  """Removes what `write` wrote and `publish` did not move."""
  with contextlib.suppress(OSError):
    files.remove_folder(files.join(folder, _UNFINISHED))


def _writable(folder: str) -> contextlib.AbstractContextManager:
  return files.writable(folder, "--output_dir", tf.errors.OpError)


def _root(functions: dict[str, Callable], tracked: dict) -> tf.Module:
  """Not the Keras model: of that, Keras saves training functions too."""
  root = tf.Module()
  weights = {
    weight.ref(): weight
    for function in functions.values()
    for weight in function.graph.variables
  }
  root.weights = list(weights.values())
  for name, value in tracked.items():
    setattr(root, name, value)
  return root


def _write_requests(path: str, functions, requests: dict) -> None:
  with tf.io.TFRecordWriter(path) as writer:
    for signature, inputs in requests.items():
      if signature not in functions:
        continue
      log = prediction_log_pb2.PredictionLog()
      request = log.predict_log.request
      request.model_spec.signature_name = signature
      for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
      writer.write(log.SerializeToString())
