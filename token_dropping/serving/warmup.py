# SPDX-License-Identifier: Apache-2.0
"""Requests that TensorFlow Serving runs before a version takes traffic.

The first request of every shape is slow; these are those first ones.
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import os

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from token_dropping.serving import head as head_lib
from token_dropping.serving import masked_lm
from token_dropping.serving import signatures

FILE = "tf_serving_warmup_requests"
TEXT = "warm up"


def write_requests(folder: str, requests: dict[str, dict]) -> None:
  """Writes `tf_serving_warmup_requests`.

  Args:
    folder: `assets.extra` of a SavedModel.
    requests: arrays by input name, by signature.
  """
  with tf.io.TFRecordWriter(os.path.join(folder, FILE)) as writer:
    for signature, inputs in requests.items():
      log = prediction_log_pb2.PredictionLog()
      request = log.predict_log.request
      request.model_spec.signature_name = signature
      for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
      writer.write(log.SerializeToString())


def id_requests(head: head_lib.Head) -> dict[str, dict]:
  """Returns one request of full length for each signature of ids."""
  ids = token_inputs(head, batch_size=1, length=head.max_length)
  example = tf.train.Example()
  for name, value in ids.items():
    example.features.feature[name].int64_list.value.extend(value[0].tolist())
  return {
    signatures.SERVE: ids,
    signatures.SERVE_EXAMPLES: _examples(example),
  }


def text_requests(head: head_lib.Head) -> dict[str, dict]:
  """Returns one request for each signature of text."""
  example = tf.train.Example()
  for name in head.text_fields:
    feature = example.features.feature[name]
    feature.bytes_list.value.append(TEXT.encode())
  return {
    signatures.SERVE_TEXT: {
      name: np.array([TEXT]) for name in head.text_fields
    },
    signatures.SERVE_TEXT_EXAMPLES: _examples(example),
  }


def token_inputs(
  head: head_lib.Head, batch_size: int, length: int
) -> dict[str, np.ndarray]:
  """Returns made-up inputs of `serve`, one prediction each for a masked-LM."""
  ones = np.ones([batch_size, length], np.int32)
  values = {
    "input_word_ids": ones,
    "input_mask": ones,
    "input_type_ids": 0 * ones,
    masked_lm.POSITIONS: 0 * ones[:, :1],
  }
  return {name: values[name] for name in head.inputs}


def _examples(example: tf.train.Example) -> dict[str, np.ndarray]:
  return {signatures.EXAMPLES: np.array([example.SerializeToString()], object)}
