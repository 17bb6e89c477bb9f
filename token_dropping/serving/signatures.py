# SPDX-License-Identifier: Apache-2.0
"""The signatures of a SavedModel, named as Model Garden's serving modules do.

| signature | a request is |
| --- | --- |
| `serve` | int32 tensors of token ids |
| `serve_examples` | serialized `tf.Example`s of token ids |
| `serve_text` | a string tensor for each text field |
| `serve_text_examples` | serialized `tf.Example`s of strings |
"""

from collections.abc import Callable

import tensorflow as tf

from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.serving import heads
from token_dropping.serving import request_checks
from token_dropping.training import trained_run

SERVE, SERVE_EXAMPLES = "serve", "serve_examples"
SERVE_TEXT, SERVE_TEXT_EXAMPLES = "serve_text", "serve_text_examples"
EXAMPLES = "examples"


class Signatures:
  """Makes the concrete functions of a head; a run has its vocabulary."""

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
    self._tokenizer = tokenizer_lib.Tokenizer(
      run.vocabulary, run.tokenizer_config
    )

  def of_ids(self) -> dict[str, Callable]:
    """Returns the signatures that plain TensorFlow can run."""
    serve = _concrete(lambda **inputs: self._serve(inputs), self._ids_spec)
    return {
      tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: serve,
      SERVE: serve,
      SERVE_EXAMPLES: _concrete(self._serve_examples, _examples_spec()),
    }

  def of_text(self) -> dict[str, Callable]:
    """Returns the signatures that need tensorflow_text's operations."""
    serve_text = _concrete(
      lambda **texts: self._outputs_of_text(texts), self._text_spec
    )
    return {
      tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: serve_text,
      SERVE_TEXT: serve_text,
      SERVE_TEXT_EXAMPLES: _concrete(
        self._serve_text_examples, _examples_spec()
      ),
    }

  def _serve(self, inputs: dict) -> dict:
    return self._outputs(
      request_checks.check_tokens(
        inputs,
        self._config.vocab_size,
        self._config.type_vocab_size,
        self._head.max_length,
      )
    )

  def _serve_examples(self, examples: tf.Tensor) -> dict:
    """Parses ids, pads them; without mask or types all count, of type 0."""
    features = tf.io.parse_example(
      examples,
      {
        name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
        for name in self._head.inputs
      },
    )
    ids = features["input_word_ids"]
    for name, value in (("input_mask", 1), ("input_type_ids", 0)):
      features[name] = _default(features[name], ids, value)
    checks = [
      request_checks.require(
        tf.reduce_all(ids.row_lengths() > 0),
        "every tf.Example must have input_word_ids.",
        [ids.row_lengths()],
      )
    ]
    for name in heads.TOKEN_INPUTS:
      lengths = features[name].row_lengths()
      checks.append(
        request_checks.require(
          tf.reduce_all(lengths == ids.row_lengths()),
          f"{name} must be as long as input_word_ids.",
          [lengths],
        )
      )
    dense = {name: _dense(value) for name, value in features.items()}
    return self._serve(request_checks.guarded(dense, checks))

  def _serve_text(self, texts: dict) -> dict:
    texts = {name: tf.ensure_shape(v, [None]) for name, v in texts.items()}
    first = self._head.text_fields[0]
    size = tf.size(texts[first])
    checks = [
      request_checks.require(
        tf.size(value) == size,
        f"{name} must have as many strings as {first}.",
        [tf.size(value)],
      )
      for name, value in texts.items()
    ]
    texts = request_checks.guarded(texts, checks)
    strings = [texts[name] for name in self._head.text_fields]
    inputs = self._head.encode(self._tokenizer, strings)
    outputs = self._outputs(inputs)
    return outputs | {name: inputs[name] for name in self._head.echoed}

  def _serve_text_examples(self, examples: tf.Tensor) -> dict:
    return self._outputs_of_text(
      tf.io.parse_example(
        examples,
        {
          name: tf.io.FixedLenFeature([], tf.string)
          for name in self._head.text_fields
        },
      )
    )


def _concrete(function: Callable, specs: dict[str, tf.TensorSpec]) -> Callable:
  return tf.function(function).get_concrete_function(**specs)


def _examples_spec() -> dict[str, tf.TensorSpec]:
  return {EXAMPLES: tf.TensorSpec([None], tf.string, EXAMPLES)}


def _default(
  feature: tf.RaggedTensor, ids: tf.RaggedTensor, value: int
) -> tf.RaggedTensor:
  """Returns `feature`, or `value` everywhere if no request has it."""
  absent = tf.equal(tf.size(feature.flat_values), 0)
  default = ids.with_flat_values(tf.ones_like(ids.flat_values) * value)
  return tf.cond(absent, lambda: default, lambda: feature)


def _dense(feature: tf.RaggedTensor) -> tf.Tensor:
  """Pads with 0; what int32 cannot hold stays too large."""
  dense = feature.to_tensor()
  return tf.cast(tf.clip_by_value(dense, tf.int32.min, tf.int32.max), tf.int32)
