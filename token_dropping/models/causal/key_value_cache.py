# SPDX-License-Identifier: Apache-2.0
"""A causal network on a few tokens of sequences whose earlier ones it has read.

Model Garden's `CachedAttention` appends to what it holds, at one place for all
sequences: those here are of different lengths. Shapes: N heads, H their size, T
the length that a cache has room for, Q new tokens.
"""

import tensorflow as tf

from token_dropping.models import pre_norm_network
from token_dropping.models import softmax_attention

# Of a layer keys and values, [B, N, T, H].
Held = tuple[tf.Tensor, tf.Tensor]


def empty(
  network: pre_norm_network.PreNormNetwork, batch: tf.Tensor, length
) -> list[Held]:
  """Returns a cache with room for `length` tokens of `batch` sequences."""
  sizes = network._sizes
  heads = sizes.num_attention_heads
  shape = [batch, heads, length, sizes.hidden_size // heads]
  zeros = tf.zeros(shape, network.compute_dtype)
  return [(zeros, zeros)] * network.num_layers


def run(
  network: pre_norm_network.PreNormNetwork,
  ids: tf.Tensor,
  positions: tf.Tensor,
  cache: list[Held],
) -> tuple[tf.Tensor, list[Held]]:
  """Returns the states [B, Q, D] of new tokens, and the cache with them.

  `ids` and `positions` are int [B, Q]. A token sees what the cache holds up to
  its own position. What stands there after it, as padding of a shorter prompt,
  is hidden until a token of that position takes its place.
  """
  states, made = network.embed_at(ids, positions), []
  for layer, held in zip(network.transformer_layers, cache, strict=True):
    states, held = layer.read_on(states, positions, held)
    made.append(held)
  return tf.cast(network._final_norm_layer(states), states.dtype), made


def attend(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  positions: tf.Tensor,
  held: Held,
  distance: int | None = None,
) -> tuple[tf.Tensor, Held]:
  """Returns what new tokens attend to, [B, Q, N, H], and what is then held.

  `query`, `key` and `value` are [B, Q, N, H]. With a `distance`, a token sees
  so many of the last positions, up to its own.
  """
  query, *new = (tf.transpose(s, [0, 2, 1, 3]) for s in (query, key, value))
  held = tuple(
    _write(old, rows, positions) for old, rows in zip(held, new, strict=True)
  )
  keys, values = held
  ahead = positions[:, tf.newaxis, :, tf.newaxis] - tf.range(tf.shape(keys)[2])
  seen = ahead >= 0  # [B, 1, Q, T]
  if distance is not None:
    seen &= ahead < distance
  attended = softmax_attention.attend(query, keys, values, seen)
  return tf.transpose(attended, [0, 2, 1, 3]), held


def _write(held: tf.Tensor, rows: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
  """Puts rows [B, N, Q, H] at the positions [B, Q] of held [B, N, T, H]."""
  batch, heads, count = tf.unstack(tf.shape(rows)[:3])
  places = tf.meshgrid(
    tf.range(batch), tf.range(heads), tf.range(count), indexing="ij"
  )
  places[2] = tf.broadcast_to(positions[:, tf.newaxis], [batch, heads, count])
  return tf.tensor_scatter_nd_update(held, tf.stack(places, axis=-1), rows)
