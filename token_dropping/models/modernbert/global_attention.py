# SPDX-License-Identifier: Apache-2.0
"""Attention to all tokens, some queries at a time: memory linear in K.

Rabe and Staats, "Self-attention Does Not Need O(n^2) Memory", arXiv 2112.05682.
The gradient computes the scores again, chunk by chunk. Shapes as in
`softmax_attention`; C is the number of queries in a chunk.
"""

import functools
import operator
from collections.abc import Callable, Sequence

import tensorflow as tf

from token_dropping.models import softmax_attention

CHUNK = 256  # the largest C; no more queries are one, whose scores are kept
# Numbers of queries, int [B, Q], numbers of keys, int [B, K], and what says of
# two of these whether the query sees the key.
Relation = tuple[tf.Tensor, tf.Tensor, Callable]


def attend(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  mask: tf.Tensor | None = None,
  relations: Sequence[Relation] = (),
  dropout: Callable | None = None,
) -> tf.Tensor:
  """Returns the values that queries attend to, [B, Q, N, H].

  `query` is [B, Q, N, H], `key` and `value` are [B, K, N, H]; `mask` [B, K] is
  0 at padding; a query sees a key where all `relations` hold. With dropout of
  the weights all scores are kept at once.
  """
  query, key, value = map(_heads_first, (query, key, value))
  count = query.shape[2]
  if dropout is not None or (count is not None and count <= CHUNK):
    seen = _seen(mask, relations)
    attended = softmax_attention.attend(query, key, value, seen, dropout)
  else:
    attended = _in_chunks(query, key, value, mask, relations)
  return _heads_first(attended)


def chunk_size(queries):
  """Returns C: chunks are equal, so that little is filled up in the last."""
  count = -(-queries // CHUNK)
  return -(-queries // count)


def _seen(mask, relations: Sequence[Relation]) -> tf.Tensor | None:
  """Returns who sees whom, bool [B, 1, Q or 1, K]; `None`: each all."""
  parts = []
  if mask is not None:
    parts.append(tf.cast(mask, tf.bool)[:, tf.newaxis, tf.newaxis, :])
  for own, theirs, holds in relations:
    own = own[:, tf.newaxis, :, tf.newaxis]
    parts.append(holds(own, theirs[:, tf.newaxis, tf.newaxis]))
  return functools.reduce(operator.and_, parts) if parts else None


def _in_chunks(query, key, value, mask, relations) -> tf.Tensor:
  """Returns what is attended to, [B, N, Q, H]."""
  length = softmax_attention.shape_of(query)[2]
  chunks = _chunks(query, axis=2)
  numbers = [_chunks(own, axis=1) for own, *_ in relations]

  def attend_chunk(index, query, key, value) -> tf.Tensor:
    of_chunk = [
      (own[index], *others)
      for own, (_, *others) in zip(numbers, relations, strict=True)
    ]
    seen = _seen(mask, of_chunk)
    return softmax_attention.attend(query, key, value, seen)

  attended = _over_chunks(attend_chunk, chunks, key, value)
  batch, heads, _, size = softmax_attention.shape_of(query)
  attended = tf.transpose(attended, [1, 2, 0, 3, 4])
  attended = tf.reshape(attended, [batch, heads, -1, size])
  return attended[:, :, :length]


def _over_chunks(attend_chunk: Callable, chunks, key, value) -> tf.Tensor:
  """Returns what each chunk attends to, [chunks, B, N, C, H], in a loop."""

  @tf.custom_gradient
  def run(chunks, key, value):
    attended = tf.map_fn(
      lambda index: attend_chunk(index, chunks[index], key, value),
      tf.range(_count(chunks)),
      fn_output_signature=tf.TensorSpec(chunks.shape[1:], chunks.dtype),
      parallel_iterations=1,
    )
    operands = chunks, key, value
    return attended, functools.partial(_gradients, attend_chunk, operands)

  return run(chunks, key, value)


def _gradients(attend_chunk: Callable, operands: tuple, upstream) -> tuple:
  """Returns those of all chunks, of keys and of values, summed in float32."""
  chunks, key, value = operands
  count = _count(chunks)

  def add(index, of_key, of_value, of_chunks):
    of_chunk, *more = softmax_attention.gradients(
      functools.partial(attend_chunk, index),
      [chunks[index], key, value],
      upstream[index],
    )
    more_key, more_value = (tf.cast(each, tf.float32) for each in more)
    of_chunks = of_chunks.write(index, of_chunk)
    return index + 1, of_key + more_key, of_value + more_value, of_chunks

  shape = chunks.shape[1:]
  _, of_key, of_value, of_chunks = tf.while_loop(
    lambda index, *_: index < count,
    add,
    (
      tf.constant(0),
      tf.zeros_like(key, tf.float32),
      tf.zeros_like(value, tf.float32),
      tf.TensorArray(chunks.dtype, count, element_shape=shape),
    ),
    parallel_iterations=1,
  )
  of_key, of_value = (tf.cast(g, key.dtype) for g in (of_key, of_value))
  return of_chunks.stack(), of_key, of_value


def _count(chunks: tf.Tensor):
  return softmax_attention.shape_of(chunks)[0]


def _chunks(values: tf.Tensor, axis: int) -> tf.Tensor:
  """Cuts the queries, an axis of values, into chunks, [chunks, ..., C, ...].

  The last one is filled up.
  """
  sizes = softmax_attention.shape_of(values)
  size = chunk_size(sizes[axis])
  more = [[0, 0] for _ in sizes]
  more[axis][1] = -sizes[axis] % size
  filled = tf.pad(values, more)
  sizes[axis : axis + 1] = [-1, size]
  split = tf.reshape(filled, sizes)
  order = list(range(len(sizes)))
  order.insert(0, order.pop(axis))
  return tf.transpose(split, order)


def _heads_first(states: tf.Tensor) -> tf.Tensor:
  """Turns [B, T, N, H] to [B, N, T, H], and back."""
  return tf.transpose(states, [0, 2, 1, 3])
