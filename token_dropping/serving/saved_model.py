# SPDX-License-Identifier: Apache-2.0
"""Writes a SavedModel, with requests to warm it up, into a version folder.

TensorFlow Serving watches a folder of numbered versions and loads one as soon
as it is there: a version is written elsewhere and then moved. The first request
of every shape is slow, so the server runs those in `assets.extra` first:
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import contextlib
import os
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.serving import heads
from token_dropping.serving import signatures

EXTRA = "assets.extra"
WARM_UP = "tf_serving_warmup_requests"
_WARM_UP_TEXT = "warm up"
_UNFINISHED = ".unfinished"


def next_version(folders: list[str]) -> int:
  """Returns the first number above the versions in any of the folders."""
  names = [name for folder in folders for name in files.list_names(folder)]
  return max((int(name) for name in names if name.isdecimal()), default=0) + 1


def write(
  folder: str,
  functions: dict[str, Callable],
  head: heads.Head,
  extra: list[str],
) -> None:
  """Writes a SavedModel that is no version yet; `publish` makes it one.

  It has the weights that the signatures, functions by name, use, the head's
  labels as an asset, and the files `extra` in `assets.extra/`.
  """
  path = files.join(folder, _UNFINISHED)
  extra_folder = files.join(path, EXTRA)
  with _reported(folder):
    files.remove_folder(path)  # of an export that was killed
    files.make_folder(folder)
    tf.saved_model.save(_root(functions, head.labels), path, functions)
    files.make_folder(extra_folder)
    for source in extra:
      files.copy(source, files.join(extra_folder, os.path.basename(source)))
    _write_requests(files.join(extra_folder, WARM_UP), functions, head)


def publish(folder: str, version: int) -> str:
  """Moves what `write` wrote to where servers look; returns the path."""
  path = files.join(folder, str(version))
  with _reported(folder):
    files.rename(files.join(folder, _UNFINISHED), path)
  return path


def discard(folder: str) -> None:
  """Removes what `write` wrote and `publish` did not move."""
  with contextlib.suppress(OSError):
    files.remove_folder(files.join(folder, _UNFINISHED))


@contextlib.contextmanager
def _reported(folder: str) -> Iterator[None]:
  try:
    yield
  except (tf.errors.OpError, OSError) as error:
    raise errors.UserError(
      f"--output_dir must be a writable folder. Received: {folder!r}"
    ) from error


def _root(functions: dict[str, Callable], labels: str) -> tf.Module:
  """Not the Keras model: of that, Keras saves training functions too."""
  root = tf.Module()
  weights = {
    weight.ref(): weight
    for function in functions.values()
    for weight in function.graph.variables
  }
  root.weights = list(weights.values())
  if labels:
    root.labels = tf.saved_model.Asset(labels)
  return root


def _write_requests(path: str, functions, head: heads.Head) -> None:
  with tf.io.TFRecordWriter(path) as writer:
    for signature, inputs in _warm_up_requests(head).items():
      if signature not in functions:
        continue
      log = prediction_log_pb2.PredictionLog()
      request = log.predict_log.request
      request.model_spec.signature_name = signature
      for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
      writer.write(log.SerializeToString())


def _warm_up_requests(head: heads.Head) -> dict[str, dict[str, np.ndarray]]:
  """Returns one request for each signature; ids are of full length."""
  ones = np.ones([1, head.max_length], np.int32)
  values = {
    "input_word_ids": ones,
    "input_mask": ones,
    "input_type_ids": 0 * ones,
    heads.POSITIONS: 0 * ones[:, :1],
  }
  ids, texts = tf.train.Example(), tf.train.Example()
  for name in head.inputs:
    ids.features.feature[name].int64_list.value.extend(values[name][0].tolist())
  for name in head.text_fields:
    texts.features.feature[name].bytes_list.value.append(_WARM_UP_TEXT.encode())
  strings = dict.fromkeys(head.text_fields, np.array([_WARM_UP_TEXT]))
  return {
    signatures.SERVE: {name: values[name] for name in head.inputs},
    signatures.SERVE_EXAMPLES: _examples(ids),
    signatures.SERVE_TEXT: strings,
    signatures.SERVE_TEXT_EXAMPLES: _examples(texts),
  }


def _examples(example: tf.train.Example) -> dict[str, np.ndarray]:
  return {signatures.EXAMPLES: np.array([example.SerializeToString()], object)}
