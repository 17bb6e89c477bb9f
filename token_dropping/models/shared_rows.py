# SPDX-License-Identifier: Apache-2.0
"""Rows that are the same in all sequences, such as embeddings of positions."""

import tensorflow as tf


@tf.custom_gradient
def add(states: tf.Tensor, rows: tf.Tensor):
  """Returns states [B, S, D] plus rows [1, S, D].

  The gradient of the rows, a sum over the batch, is a matrix product. As a sum
  it would make XLA lay out all states of a GPU's step by batch, and transpose
  them before and after their products.
  """

  def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    batch = tf.shape(upstream)[0]
    ones = tf.ones([1, batch], upstream.dtype)
    total = tf.matmul(ones, tf.reshape(upstream, [batch, -1]))
    return upstream, tf.reshape(total, tf.shape(rows))

  return states + rows, gradient
