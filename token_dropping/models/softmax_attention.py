# SPDX-License-Identifier: Apache-2.0
"""Attention of some queries to some keys, of which the others are made.

Shapes: B batch, Q queries, K keys, N heads, H size of a head.
"""

from collections.abc import Callable

import tensorflow as tf

from token_dropping.models import barrier

_HIDDEN = -1e30  # a score that no exponential is left of


def attend(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  seen: tf.Tensor | None = None,
  dropout: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> tf.Tensor:
  """Returns the values that queries attend to, [..., Q, H].

  `query` is [..., Q, H], `key` and `value` are [..., K, H]; `seen`, bool, goes
  with the scores [..., Q, K]. The softmax is float32 whatever the states are.
  What a query gets that sees nothing is finite, and means nothing.
  """
  scale = query.shape[-1] ** -0.5
  scores = tf.matmul(query * scale, key, transpose_b=True)
  scores = tf.cast(scores, tf.float32)
  if seen is not None:
    scores = tf.where(seen, scores, _HIDDEN)
  weights = tf.nn.softmax(scores)
  if dropout is not None:
    weights = dropout(weights)
  return tf.matmul(tf.cast(weights, value.dtype), value)


def recomputed(function: Callable) -> Callable:
  """Makes a function of tensors keep its operands alone for the gradient."""

  @tf.custom_gradient
  def run(*operands):
    def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
      return gradients(function, map(barrier.apart, operands), upstream)

    return function(*operands), gradient

  return run


def gradients(function: Callable, operands, upstream: tf.Tensor) -> list:
  """Returns the gradients of a function's operands."""
  operands = list(operands)
  with tf.GradientTape() as tape:
    tape.watch(operands)
    outputs = function(*operands)
  return tape.gradient(outputs, operands, upstream)


def shape_of(tensor: tf.Tensor) -> list:
  """Returns the sizes, as numbers where they are static."""
  dynamic = tf.shape(tensor)
  return [
    dynamic[axis] if size is None else size
    for axis, size in enumerate(tensor.shape)
  ]
