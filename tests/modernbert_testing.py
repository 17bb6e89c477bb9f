# SPDX-License-Identifier: Apache-2.0
"""A tiny ModernBERT, for inputs as in `drops_testing`."""

import functools

import tensorflow as tf

from tests import drops_testing
from token_dropping.models import softmax_attention
from token_dropping.models.modernbert import encoder as encoder_lib
from token_dropping.models.modernbert import network

D, S, V = drops_testing.D, drops_testing.S, drops_testing.V
batch = drops_testing.batch
# Layers 0 and 3 are global; 1 and 2 see one token on each side.
SIZES = {
  "vocab_size": V,
  "hidden_size": D,
  "num_layers": 4,
  "num_attention_heads": 2,
  "intermediate_size": 10,
  "max_position_embeddings": S,
  "local_attention": 2,
  "initializer_range": 0.5,
}
# Of a config, to go through a `config.json`.
UNLIKE_DEFAULTS = {
  "vocab_size": 50,
  "hidden_size": 8,
  "num_layers": 5,
  "num_attention_heads": 2,
  "intermediate_size": 12,
  "max_position_embeddings": 64,
  "hidden_activation": "relu",
  "global_every": 2,
  "local_attention": 4,
  "global_rope_theta": 500.0,
  "local_rope_theta": 100.0,
  "norm_eps": 1e-6,
  "dropout_rate": 0.2,
  "attention_dropout_rate": 0.3,
  "initializer_range": 0.04,
}
EXPERIMENT = "modernbert/token_drop"
# What `testing.TINY` lacks: layers 0 and 2 are global.
TINY = {
  "task": {
    "model": {
      "encoder": {
        "any": {
          "global_every": 2,
          "local_attention": 4,
          "always_keep_cls": True,
        }
      }
    },
    "train_data": {"masking": "static"},
    "validation_data": {"masking": "static"},
  }
}


@functools.cache
def make_network() -> network.ModernBert:
  """Returns the network without dropping, with weights, shared by tests."""
  made = network.ModernBert(**SIZES)
  made(batch(pretraining=False))
  return made


def make_encoder(**kwargs) -> encoder_lib.ModernBertEncoder:
  """Returns an encoder with the same weights, whatever drops in it."""
  encoder = encoder_lib.ModernBertEncoder(
    **(SIZES | drops_testing.SPECIAL | kwargs)
  )
  encoder(batch(pretraining=False))
  encoder.set_weights(make_network().get_weights())
  encoder._set_untracked_scorer(drops_testing.LayerScorer(V))
  return encoder


def dense_attention(
  query, key, value, queries, keys, distance=None, is_causal=False
):
  """Attends with a mask [B, 1, Q, K] of all that must hold.

  Arguments are as in `local_attention.attend`.
  """
  own, theirs = queries.positions[..., tf.newaxis], keys.positions
  ahead = own - theirs[:, tf.newaxis]
  distance = ahead.dtype.max if distance is None else distance
  if is_causal:
    seen = (ahead >= 0) & (ahead < distance)
  else:
    seen = tf.abs(ahead) <= distance
  if keys.mask is not None:
    seen &= tf.cast(keys.mask, tf.bool)[:, tf.newaxis]
  if keys.documents is not None:
    own, theirs = queries.documents[..., tf.newaxis], keys.documents
    seen &= own == theirs[:, tf.newaxis]
  states = (tf.transpose(s, [0, 2, 1, 3]) for s in (query, key, value))
  found = softmax_attention.attend(*states, seen[:, tf.newaxis])
  return tf.transpose(found, [0, 2, 1, 3])
