# SPDX-License-Identifier: Apache-2.0
"""A tiny Transformer, and packed pairs for it."""

import numpy as np
import tensorflow as tf

from token_dropping.dropping.importance import step_seed
from token_dropping.models.transformer import config as config_lib
from token_dropping.models.transformer import network as network_lib

IMPORTANCE = {"importance": {"type": "cross_attention"}}
V, S, T = 40, 14, 12
SIZES = {
  "vocab_size": V,
  "hidden_size": 8,
  "num_layers": 4,
  "num_decoder_layers": 3,
  "num_attention_heads": 2,
  "intermediate_size": 16,
  "dropout_rate": 0.0,
  "attention_dropout_rate": 0.0,
  "intermediate_dropout_rate": 0.0,
}
SENTENCES = [
  ([5, 6, 7, 8, 1], [9, 10, 1]),
  ([11, 12, 1], [13, 14, 15, 16, 1]),
  ([17, 18, 19, 1], [20, 1]),
]


def packed(pairs=None) -> dict[str, tf.Tensor]:
  """Returns a batch of one sequence of pairs, padded at its end."""
  pairs = SENTENCES if pairs is None else pairs
  batch = {}
  for index, (side, length) in enumerate((("inputs", S), ("targets", T))):
    ids = [i for pair in pairs for i in pair[index]]
    numbers = [n for n, pair in enumerate(pairs, 1) for _ in pair[index]]
    for name, row in (side, ids), (f"{side}_segmentation", numbers):
      batch[name] = tf.constant([row + [0] * (length - len(row))], tf.int32)
  return batch


def make_config(**fields) -> config_lib.TransformerConfig:
  """Returns the tiny config with changes to its fields."""
  config = config_lib.TransformerConfig()
  config.override(SIZES | fields)
  return config


def make_random(network: tf.Module) -> None:
  """Makes all weights random, biases and norms too."""
  rng = np.random.default_rng(2)
  for weight in network.weights:
    weight.assign(rng.normal(0, 0.5, weight.shape))


def make_network(**fields) -> network_lib.Transformer:
  """Returns a network of the same weights, whatever drops in it.

  Its choices are those of step 3 of a run.
  """
  network = make_config(**fields).build()
  make_random(network)
  for number, side in enumerate((network.encoder_layer, network.decoder_layer)):
    seeds = step_seed.StepSeed(tf.Variable(3), seed=number)
    side.importance_scorer.seeds = seeds
  return network
