# SPDX-License-Identifier: Apache-2.0
"""The signatures of a SavedModel, named as Model Garden's serving modules do.

| signature | a request is |
| --- | --- |
| `serve` | int32 tensors of token ids |
| `serve_examples` | serialized `tf.Example`s of token ids |
| `serve_text` | a string tensor for each text field |
| `serve_text_examples` | serialized `tf.Example`s of strings |

Requests are checked inside the graph: a server answers with the rule and the
value instead of an error from deep inside the network, or, on a GPU, a wrong
answer.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from token_dropping.serving import graph_checks
from token_dropping.serving import heads
from token_dropping.training import trained_run

SERVE, SERVE_EXAMPLES = "serve", "serve_examples"
SERVE_TEXT, SERVE_TEXT_EXAMPLES = "serve_text", "serve_text_examples"
EXAMPLES = "examples"
_WARM_UP_TEXT = "warm up"
_EXAMPLES_SPEC = {EXAMPLES: tf.TensorSpec([None], tf.string, EXAMPLES)}


class Signatures:
  """Makes the concrete functions of a head; a run has its tokenizer."""

  def __init__(self, head: heads.Head, run: trained_run.TrainedRun):
    self._head = head
    self._ids_spec = {
      name: tf.TensorSpec([None, None], tf.int32, name) for name in head.inputs
    }
    self._text_spec = {
      name: tf.TensorSpec([None], tf.string, name) for name in head.text_fields
    }
    # Traced once: signatures share these parts of the graph.
    self._outputs = tf.function(head.outputs, [self._ids_spec])
    self._outputs_of_text = tf.function(self._serve_text, [self._text_spec])
    self._config = run.encoder
    self._tokenizer = run.tokenizer

  def of_ids(self) -> dict[str, Callable]:
    """Returns the signatures that plain TensorFlow can run."""
    serve = _concrete(lambda **inputs: self._serve(inputs), self._ids_spec)
    return {
      tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: serve,
      SERVE: serve,
      SERVE_EXAMPLES: _concrete(self._serve_examples, _EXAMPLES_SPEC),
    }

  def of_text(self) -> dict[str, Callable]:
    """Returns the signatures that need tensorflow_text's operations."""
    serve_text = _concrete(
      lambda **texts: self._outputs_of_text(texts), self._text_spec
    )
    return {
      tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: serve_text,
      SERVE_TEXT: serve_text,
      SERVE_TEXT_EXAMPLES: _concrete(self._serve_text_examples, _EXAMPLES_SPEC),
    }

  def folders(self) -> dict[str, dict[str, Callable]]:
    """Returns the signatures of each SavedModel, by its folder's name."""
    of_ids = self.of_ids()
    return {"ids": of_ids, "text": of_ids | self.of_text()}

  @property
  def tracked(self) -> dict:
    """What a SavedModel has beside signatures and weights, by name."""
    labels = self._head.labels
    return {"labels": tf.saved_model.Asset(labels)} if labels else {}

  def requests(self) -> dict[str, dict[str, np.ndarray]]:
    """Returns a request for each signature; ids are of full length."""
    ones = np.ones([1, self._head.max_length], np.int32)
    values = {
      "input_word_ids": ones,
      "input_mask": ones,
      "input_type_ids": 0 * ones,
      heads.POSITIONS: 0 * ones[:, :1],
    }
    ids, texts = tf.train.Example(), tf.train.Example()
    for name in self._head.inputs:
      ids.features.feature[name].int64_list.value.extend(
        values[name][0].tolist()
      )
    for name in self._head.text_fields:
      texts.features.feature[name].bytes_list.value.append(
        _WARM_UP_TEXT.encode()
      )
    strings = dict.fromkeys(self._head.text_fields, np.array([_WARM_UP_TEXT]))
    return {
      SERVE: {name: values[name] for name in self._head.inputs},
      SERVE_EXAMPLES: _examples(ids),
      SERVE_TEXT: strings,
      SERVE_TEXT_EXAMPLES: _examples(texts),
    }

  def _serve(self, inputs: dict) -> dict:
    length = self._head.max_length
    return self._outputs(_check_tokens(inputs, self._config, length))

  def _serve_examples(self, examples: tf.Tensor) -> dict:
    """Parses ids, pads them; without mask or types all count, of type 0."""
    ragged = tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
    specs = dict.fromkeys(self._head.inputs, ragged)
    features = tf.io.parse_example(examples, specs)
    ids = features["input_word_ids"]
    for name, value in (("input_mask", 1), ("input_type_ids", 0)):
      features[name] = _default(features[name], ids, value)
    there = tf.reduce_all(ids.row_lengths() > 0)
    rule = "every tf.Example must have input_word_ids."
    checks = [graph_checks.require(there, rule, ids.row_lengths())]
    for name in heads.TOKEN_INPUTS:
      lengths = features[name].row_lengths()
      equal = tf.reduce_all(lengths == ids.row_lengths())
      rule = f"{name} must be as long as input_word_ids."
      checks.append(graph_checks.require(equal, rule, lengths))
    dense = {name: _dense(value) for name, value in features.items()}
    return self._serve(graph_checks.guarded(dense, checks))

  def _serve_text(self, texts: dict) -> dict:
    texts = {name: tf.ensure_shape(v, [None]) for name, v in texts.items()}
    first = self._head.text_fields[0]
    size = tf.size(texts[first])
    checks = [
      graph_checks.require(
        tf.size(value) == size,
        f"{name} must have as many strings as {first}.",
        tf.size(value),
      )
      for name, value in texts.items()
    ]
    texts = graph_checks.guarded(texts, checks)
    strings = [texts[name] for name in self._head.text_fields]
    inputs = self._head.encode(self._tokenizer, strings)
    outputs = self._outputs(inputs)
    return outputs | {name: inputs[name] for name in self._head.echoed}

  def _serve_text_examples(self, examples: tf.Tensor) -> dict:
    feature = tf.io.FixedLenFeature([], tf.string)
    specs = dict.fromkeys(self._head.text_fields, feature)
    return self._outputs_of_text(tf.io.parse_example(examples, specs))


def _examples(example: tf.train.Example) -> dict[str, np.ndarray]:
  return {EXAMPLES: np.array([example.SerializeToString()], object)}


def _concrete(function: Callable, specs: dict[str, tf.TensorSpec]) -> Callable:
  return tf.function(function).get_concrete_function(**specs)


def _default(
  feature: tf.RaggedTensor, ids: tf.RaggedTensor, value: int
) -> tf.RaggedTensor:
  """Returns `feature`, or `value` everywhere if no request has it."""
  absent = tf.equal(tf.size(feature.flat_values), 0)
  default = ids.with_flat_values(tf.ones_like(ids.flat_values) * value)
  return tf.cond(absent, lambda: default, lambda: feature)


def _dense(feature: tf.RaggedTensor) -> tf.Tensor:
  """Pads with 0; what int32 cannot hold stays too large."""
  dense = heads.padded(feature)
  return tf.cast(tf.clip_by_value(dense, tf.int32.min, tf.int32.max), tf.int32)


def _check_tokens(inputs: dict, config, max_length: int) -> dict:
  """Returns int32 inputs [B, S], or [B, P], that are checked when read."""
  inputs = {
    # Signatures say so too, but not every server looks.
    name: tf.ensure_shape(value, [None, None], name=name)
    for name, value in inputs.items()
  }
  ids = inputs["input_word_ids"]
  length = tf.shape(ids)[1]
  fits = tf.logical_and(length >= 1, length <= max_length)
  rule = f"the sequence length must be in [1, {max_length}]."
  checks = [graph_checks.require(fits, rule, length)]
  for name, value in inputs.items():
    shape, like = tf.shape(value), tf.shape(ids)
    if name == "masked_lm_positions":  # any number of them
      shape, like = shape[:1], like[:1]
    rule = f"{name} must have the shape of input_word_ids."
    checks.append(
      graph_checks.require(tf.reduce_all(shape == like), rule, shape)
    )
  for name, limit, text in (
    ("input_word_ids", config.vocab_size, config.vocab_size),
    ("input_mask", 2, 2),
    ("input_type_ids", config.type_vocab_size, config.type_vocab_size),
    ("masked_lm_positions", length, "sequence length"),
  ):
    if name in inputs:
      checks.append(_check_range(name, inputs[name], limit, text))
  return graph_checks.guarded(inputs, checks)


def _check_range(name: str, value: tf.Tensor, limit, text) -> tf.Operation:
  holds = tf.reduce_all(tf.logical_and(value >= 0, value < limit))
  least, most = tf.reduce_min(value), tf.reduce_max(value)
  rule = f"{name} must be in [0, {text})."
  return graph_checks.require(holds, rule, "least", least, "most", most)
