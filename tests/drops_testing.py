# SPDX-License-Identifier: Apache-2.0
"""A tiny encoder of any drop type, for the tests of drop types."""

import functools

import numpy as np
import tensorflow as tf
import tf_keras
from official.nlp.modeling import networks

from token_dropping.dropping import config as dropping_config
from token_dropping.dropping import drop_plan
from token_dropping.dropping.importance import token_scorer
from token_dropping.models.bert import encoder as encoder_lib

B, S, P, D, V, L = 2, 12, 3, 8, 40, 4
SIZES = {
  "vocab_size": V,
  "hidden_size": D,
  "num_layers": L,
  "num_attention_heads": 2,
  "inner_dim": 16,
  "max_sequence_length": S,
  "type_vocab_size": 2,
  "output_dropout": 0.0,
  "attention_dropout": 0.0,
  # The default of 0.02 would leave attention nearly uniform. All encoders and
  # BERTs of these sizes begin with the same weights.
  "initializer": tf_keras.initializers.TruncatedNormal(stddev=0.3, seed=1),
}
SPECIAL = {"token_allow_list": (1, 2, 3, 4), "token_deny_list": (0,)}
_RANDOM = np.random.default_rng(3)
COEFFICIENTS = _RANDOM.normal(size=[B, P, D]).astype("float32")
SCORES = _RANDOM.permuted([[range(S)] * B] * L, axis=2).astype("float32")


class LayerScorer(token_scorer.TokenScorer):
  """Scores tokens by `SCORES[layer]`, so every layer has its own scores."""

  def _score(self, ids, states, mask, keep, layer):
    # The ids of `batch` say where the tokens are.
    places = tf.minimum(ids - 5, S - 1)
    return tf.gather(tf.constant(SCORES[layer]), places, batch_dims=1)


def make_plan(num_layers: int, **fields) -> drop_plan.DropPlan:
  """Returns the plan that fields of a `DroppingConfig` describe."""
  return dropping_config.DroppingConfig(**fields).make_plan(num_layers)


def batch(padding: int = 3, pretraining: bool = True) -> dict:
  """Returns sequences whose ids are 5 and up, the first with padding."""
  mask = tf.sequence_mask([S - padding, S], S, tf.int32)
  ids = tf.constant([list(range(5, 5 + S))] * B)
  inputs = {
    "input_word_ids": ids,
    "input_mask": mask,
    "input_type_ids": tf.constant([[0] * 6 + [1] * 6] * B),
  }
  if pretraining:  # unsorted, and with the repeated zeros of unused slots
    inputs["masked_lm_positions"] = tf.constant([[7, 2, 0], [5, 5, 11]])
  return inputs


@functools.cache
def bert(**kwargs) -> networks.BertEncoderV2:
  """Returns an ordinary BERT of these sizes, with weights, shared by tests."""
  network = networks.BertEncoderV2(**(SIZES | kwargs))
  network(batch(pretraining=False))
  return network


def make_encoder(**kwargs) -> encoder_lib.TokenDropEncoder:
  """Returns an encoder with weights."""
  encoder = encoder_lib.TokenDropEncoder(**(SIZES | SPECIAL | kwargs))
  encoder(batch(pretraining=False))
  return encoder


@functools.cache
def encoder(drop_type: str, **kwargs) -> encoder_lib.TokenDropEncoder:
  """Returns one that drops in layers 1 and 2 (of 4), shared by tests."""
  places = {"drop_layer": 1, "restore_layer": 3}
  made = make_encoder(drop={"type": drop_type}, **(places | kwargs))
  made._set_untracked_scorer(LayerScorer(V))
  return made


def loss_and_gradients(network, inputs: dict, **kwargs) -> list[tf.Tensor]:
  """Reads the sequence where a pretraining loss does."""
  positions = batch()["masked_lm_positions"]
  with tf.GradientTape() as tape:
    outputs = network(inputs, training=True, **kwargs)
    read = tf.gather(outputs["sequence_output"], positions, batch_dims=1)
    loss = tf.reduce_sum(read * COEFFICIENTS)
    loss += tf.reduce_sum(outputs["pooled_output"] ** 2)
  gradients = tape.gradient(loss, network.trainable_variables)
  return [loss, *(tf.convert_to_tensor(gradient) for gradient in gradients)]


def assert_same(left, right, tolerance: float = 1e-5) -> None:
  """Compares two lists of tensors."""
  for a, b in zip(left, right, strict=True):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
