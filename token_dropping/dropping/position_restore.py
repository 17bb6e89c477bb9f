# SPDX-License-Identifier: Apache-2.0
"""Puts states back where they were gathered from (Hou et al., 3.1)."""

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class PositionRestore(tf_keras.layers.Layer):
  """Merges updated states into a sequence, in the original order.

  The inverse of `PositionGather`. It is a gather, not a scatter: each position
  of the sequence looks up its slot among the updates, which accelerators do
  faster. A position that occurs several times takes one of its updates, and the
  gradient goes to that one alone, so repetition never counts twice.

  Example:

  >>> states = tf.constant([[[1.0], [2.0], [3.0]]])
  >>> updates = tf.constant([[[10.0], [30.0]]])
  >>> restored = PositionRestore()(states, updates, tf.constant([[0, 2]]))
  >>> restored.numpy().ravel().tolist()
  [10.0, 2.0, 30.0]
  """

  def __init__(self, **kwargs):
    # Mixed precision must not round states that are only moved.
    super().__init__(**{**kwargs, "autocast": False})

  def call(
    self, states: tf.Tensor, updates: tf.Tensor, positions: tf.Tensor
  ) -> tf.Tensor:
    """Merges.

    Args:
      states: tensor [B, S, D], the states of all positions before the update.
      updates: tensor [B, K, D].
      positions: int tensor [B, K], ascending; where the updates belong.

    Returns:
      tensor [B, S, D]: the update where there is one, else the old state; in
      the type of the updates.
    """
    batch, length = tf.unstack(tf.shape(states)[:2])
    sequence = tf.broadcast_to(
      tf.range(length, dtype=positions.dtype), [batch, length]
    )  # [B, S]
    slots = tf.searchsorted(positions, sequence, side="right") - 1
    slots = tf.maximum(slots, 0)  # [B, S]; meaningless before the first update
    updated = tf.gather(positions, slots, batch_dims=1) == sequence
    return tf.where(
      updated[..., tf.newaxis],
      tf.gather(updates, slots, batch_dims=1),
      tf.cast(states, updates.dtype),  # embeddings may be of a shorter type
    )
