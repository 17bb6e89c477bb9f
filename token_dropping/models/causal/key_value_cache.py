# SPDX-License-Identifier: Apache-2.0
"""GPT-2 on a few tokens of sequences whose earlier tokens it has read.

Model Garden's `CachedAttention` appends to what it holds, at one place for all
sequences: those here are of different lengths. Shapes: N heads, H their size, T
the length that a cache has room for, Q new tokens.
"""

import tensorflow as tf

from token_dropping.models.gpt import block as block_lib
from token_dropping.models.gpt import network as network_lib

# Of each layer keys and values, [B, N, T, H].
Cache = list[tuple[tf.Tensor, tf.Tensor]]


def empty(network: network_lib.Gpt, batch: tf.Tensor, length) -> Cache:
  """Returns a cache with room for `length` tokens of `batch` sequences."""
  dense = network.transformer_layers[0]._attention_layer._key_dense
  _, heads, size = dense.kernel.shape
  zeros = tf.zeros([batch, heads, length, size], dense.compute_dtype)
  return [(zeros, zeros)] * network.num_layers


def run(
  network: network_lib.Gpt, ids: tf.Tensor, positions: tf.Tensor, cache: Cache
) -> tuple[tf.Tensor, Cache]:
  """Returns the states [B, Q, D] of new tokens, and the cache with them.

  `ids` and `positions` are int [B, Q]. A token sees what the cache holds up to
  its own position. What stands there after it, as padding of a shorter prompt,
  is hidden until a token of that position takes its place.
  """
  table = network._position_embedding_layer.weights[0]
  words = network.get_embedding_layer()(ids)
  states = words + tf.cast(tf.gather(table, positions), words.dtype)
  made = []
  for layer, held in zip(network.transformer_layers, cache, strict=True):
    states, held = _run_block(layer, states, positions, held)
    made.append(held)
  return tf.cast(network._final_norm_layer(states), states.dtype), made


def _run_block(block: block_lib.Block, states, positions, held) -> tuple:
  normed = block._attention_layer_norm(states)
  added, held = _attend(block._attention_layer, normed, positions, held)
  states += added
  inner = block._intermediate_dense(block._output_layer_norm(states))
  inner = block._intermediate_activation_layer(inner)
  return states + block._output_dense(inner), held


def _attend(attention, states, positions, held) -> tuple:
  """Returns what attention adds to states [B, Q, D], and its new cache."""
  denses = attention._query_dense, attention._key_dense, attention._value_dense
  # [B, N, Q, H]
  queries, *new = (tf.transpose(d(states), [0, 2, 1, 3]) for d in denses)
  keys, values = (
    _write(old, rows, positions) for old, rows in zip(held, new, strict=True)
  )
  scores = tf.matmul(queries, keys, transpose_b=True)  # [B, N, Q, T]
  scores *= tf.cast(tf.shape(queries)[-1], scores.dtype) ** -0.5
  is_later = tf.range(tf.shape(keys)[2]) > positions[:, tf.newaxis, :, None]
  weights = tf.nn.softmax(tf.where(is_later, scores.dtype.min, scores))
  mixed = tf.transpose(tf.matmul(weights, values), [0, 2, 1, 3])
  return attention._output_dense(mixed), (keys, values)


def _write(held: tf.Tensor, rows: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
  """Puts rows [B, N, Q, H] at the positions [B, Q] of held [B, N, T, H]."""
  batch, heads, count = tf.unstack(tf.shape(rows)[:3])
  places = tf.meshgrid(
    tf.range(batch), tf.range(heads), tf.range(count), indexing="ij"
  )
  places[2] = tf.broadcast_to(positions[:, tf.newaxis], [batch, heads, count])
  return tf.tensor_scatter_nd_update(held, tf.stack(places, axis=-1), rows)
