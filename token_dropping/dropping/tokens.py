# SPDX-License-Identifier: Apache-2.0
"""Tokens, taken out and put back (Hou et al., arXiv 2203.13240, sec. 3.1)."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Tokens:
  """N of the S tokens of each sequence, in their order.

  Networks make attention masks, rotations and windows from this. Tokens of
  different documents in one record do not see one another.

  >>> tokens = Tokens.of_sequence(tf.constant([[[10.0], [20.0], [30.0]]]))
  >>> some = tokens.gather(tf.constant([[0, 2]]))
  >>> some.positions.numpy().tolist()
  [[0, 2]]
  >>> tokens.restored(-some.states, tf.constant([[0, 2]])).numpy().ravel()
  array([-10.,  20., -30.], dtype=float32)
  """

  states: tf.Tensor  # [B, N, D]
  positions: tf.Tensor  # int32 [B, N], ascending, in the whole sequence
  ids: tf.Tensor | None = None  # int [B, N], -1: without id; `None`: not known
  documents: tf.Tensor | None = None  # int [B, N]; `None`: all of one
  mask: tf.Tensor | None = None  # [B, N], 0 at padding; `None`: no padding

  @classmethod
  def of_sequence(cls, states: tf.Tensor, **known) -> "Tokens":
    """Returns all tokens of sequences [B, S, D], with what else is known."""
    batch, length = tf.unstack(tf.shape(states)[:2])
    positions = tf.broadcast_to(tf.range(length), [batch, length])
    return cls(states, positions, **known)

  @property
  def count(self) -> int | None:
    """N, where it is static."""
    return self.states.shape[1]

  def gather(self, places: tf.Tensor, has_empty: bool = False) -> "Tokens":
    """Returns the tokens at some places, int [B, K] in [0, N).

    With `has_empty`, N stands for an empty slot: a token behind all others,
    which the mask hides.
    """
    if has_empty:
      is_there = places < self.count
      found = self.gather(tf.minimum(places, self.count - 1))
      mask = is_there
      if found.mask is not None:
        mask &= tf.cast(found.mask, tf.bool)
      behind = found.positions.dtype.max
      positions = tf.where(is_there, found.positions, behind)
      return dataclasses.replace(found, mask=mask, positions=positions)
    # TensorFlow's optimizer orders the sums of gradients by the names of their
    # operations, and the last bit depends on the order: here and below.
    with tf.name_scope("position_gather"):
      return Tokens(*(_gather(getattr(self, n), places) for n in _FIELDS))

  def restored(self, updates: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Returns the states [B, N, D], those at some places updated."""
    return restore(self.states, updates, places)

  def with_states(self, states: tf.Tensor) -> "Tokens":
    """Returns the same tokens in other states [B, N, D]."""
    return dataclasses.replace(self, states=states)


_FIELDS = [field.name for field in dataclasses.fields(Tokens)]


def _gather(value: tf.Tensor | None, places: tf.Tensor) -> tf.Tensor | None:
  return None if value is None else tf.gather(value, places, batch_dims=1)


def restore(
  states: tf.Tensor, updates: tf.Tensor, places: tf.Tensor
) -> tf.Tensor:
  """Puts updates [B, K, D] into states [B, N, D] at `places`, int [B, K].

  Places ascend; the update of an empty slot, of place N, is left out. A place
  that occurs several times takes one update, which alone
  gets the gradient: repetition never counts twice. The result has the updates'
  type. Accelerators are faster at this gather, in which each place looks up its
  slot among the updates, than at a scatter.
  """
  with tf.name_scope("position_restore"):
    batch, length = tf.unstack(tf.shape(states)[:2])
    sequence = tf.broadcast_to(
      tf.range(length, dtype=places.dtype), [batch, length]
    )  # [B, N]
    slots = tf.searchsorted(places, sequence, side="right") - 1
    slots = tf.maximum(slots, 0)  # [B, N]; meaningless before the first update
    updated = tf.gather(places, slots, batch_dims=1) == sequence
    return tf.where(
      updated[..., tf.newaxis],
      tf.gather(updates, slots, batch_dims=1),
      tf.cast(states, updates.dtype),  # embeddings may be of a shorter type
    )


def select(
  scores: tf.Tensor, keep: int, mask: tf.Tensor | None = None
) -> tf.Tensor:
  """Returns the places of the `keep` highest scores, int32 [B, K], ascending.

  Padding, 0 in `mask` [B, N], is taken only when every real token is, whatever
  its score. Equal scores go to the earlier token.

  >>> select(tf.constant([[1.0, 9.0, 5.0, 7.0]]), keep=2).numpy().tolist()
  [[1, 3]]
  """
  with tf.name_scope("token_selector"):
    if mask is not None:
      scores = tf.where(tf.cast(mask, tf.bool), scores, scores.dtype.min)
    _, places = tf.math.top_k(scores, k=keep, sorted=True)
    return tf.sort(places, axis=-1)
