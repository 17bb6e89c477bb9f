# SPDX-License-Identifier: Apache-2.0
"""Attention to the tokens nearby, in blocks: time and memory linear in K.

Positions ascend, so tokens whose positions are at most w apart are at most w
places apart among those that are there, however many were dropped. In blocks of
w places a token sees keys of its own block and of the two beside it alone,
where attention is causal of the one before; among these, positions decide. That
is exact. Shapes as in `softmax_attention`.
"""

from collections.abc import Callable

import tensorflow as tf

from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models import softmax_attention

_NOWHERE = -(2**30)  # far from all positions


def attend(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  queries: tokens_lib.Tokens,
  keys: tokens_lib.Tokens,
  distance: int,
  is_causal: bool = False,
  dropout: Callable | None = None,
) -> tf.Tensor:
  """Returns the values that queries attend to, [B, Q, N, H].

  `query` is [B, Q, N, H], `key` and `value` are [B, K, N, H]. A query sees the
  keys of its document whose positions are at most `distance` from its own and
  that are no padding; where it `is_causal`, those of the last `distance`
  positions up to its own. `queries` are `keys` or some of these: they are put
  into their places among the keys, and what these attend to is read there.
  """
  is_subset = queries is not keys
  if is_subset:
    places = tf.searchsorted(keys.positions, queries.positions)
    query = _placed(query, places, key)

  def run(query, key, value) -> tf.Tensor:
    return _in_blocks(query, key, value, keys, distance, is_causal, dropout)

  if dropout is None:  # else the weights that stayed would be others
    run = softmax_attention.recomputed(run)
  attended = run(query, key, value)
  if not is_subset:
    return attended
  last = softmax_attention.shape_of(key)[1] - 1
  places = tf.minimum(places, last)  # empty slots are behind all keys
  return tf.gather(attended, places, batch_dims=1)


def block_size(distance: int, length: int | None) -> int:
  """Returns how many places a block has; `length` is K, where it is static."""
  return distance if length is None else min(distance, length)


def blocks_seen(is_causal: bool) -> int:
  """Returns in how many blocks a token looks for keys."""
  return 2 if is_causal else 3


def _placed(query, places: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
  """Returns queries at their places among the keys, [B, K, N, H]."""
  batch, length, *head = softmax_attention.shape_of(key)
  width = head[0] * head[1]
  flat = tf.reshape(query, [batch, -1, width])
  nothing = tf.zeros([batch, length, width], query.dtype)
  placed = tokens_lib.restore(nothing, flat, places)
  return tf.reshape(placed, [batch, length, *head])


def _in_blocks(
  query, key, value, keys, distance, is_causal, dropout
) -> tf.Tensor:
  """Returns what all tokens attend to, [B, K, N, H]."""
  batch, length, *head = softmax_attention.shape_of(key)
  size = block_size(distance, keys.count)
  query = _heads_first(_blocks(query, size))
  key, value = (
    _heads_first(_with_neighbours(_blocks(states, size), is_causal))
    for states in (key, value)
  )
  seen = _seen(keys, size, distance, is_causal)
  attended = softmax_attention.attend(query, key, value, seen, dropout)
  attended = tf.reshape(_heads_first(attended), [batch, -1, *head])
  return attended[:, :length]


def _seen(
  keys: tokens_lib.Tokens, size: int, distance: int, is_causal: bool
) -> tf.Tensor:
  """Returns who sees whom, bool [B, blocks, 1, size, 2 or 3 size]."""
  positions = keys.positions
  if keys.mask is not None:
    real = tf.cast(keys.mask, tf.bool)
    positions = tf.where(real, positions, _NOWHERE)
  own, theirs = _pairs(keys.positions, positions, size, is_causal, _NOWHERE)
  ahead = own - theirs
  if is_causal:
    seen = (ahead >= 0) & (ahead < distance)
  else:
    seen = tf.abs(ahead) <= distance
  if keys.documents is not None:
    own, theirs = _pairs(keys.documents, keys.documents, size, is_causal)
    seen &= own == theirs
  return seen[:, :, tf.newaxis]


def _pairs(own, theirs, size: int, is_causal: bool, filler=0) -> tuple:
  """Lets [B, K] of queries meet [B, K] of keys, block by block."""
  theirs = _with_neighbours(_blocks(theirs, size, filler), is_causal, filler)
  own = _blocks(own, size)
  return own[..., tf.newaxis], theirs[..., tf.newaxis, :]


def _blocks(values: tf.Tensor, size: int, filler=0) -> tf.Tensor:
  """Cuts [B, K, ...] into [B, blocks, size, ...], the last one filled up."""
  batch, length, *rest = softmax_attention.shape_of(values)
  more = [[0, 0], [0, -length % size], *[[0, 0]] * len(rest)]
  filled = tf.pad(values, more, constant_values=filler)
  return tf.reshape(filled, [batch, -1, size, *rest])


def _with_neighbours(blocks: tf.Tensor, is_causal: bool, filler=0) -> tf.Tensor:
  """Returns [B, blocks, 2 or 3 size, ...]: of each, also those beside it."""
  more = [[0, 0], [1, 1], *[[0, 0]] * (len(blocks.shape) - 2)]
  around = tf.pad(blocks, more, constant_values=filler)
  parts = [around[:, :-2], blocks, around[:, 2:]]
  return tf.concat(parts[: blocks_seen(is_causal)], axis=2)


def _heads_first(blocks: tf.Tensor) -> tf.Tensor:
  """Turns [B, blocks, size, N, H] to [B, blocks, N, size, H], and back."""
  return tf.transpose(blocks, [0, 1, 3, 2, 4])
