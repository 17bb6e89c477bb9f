# SPDX-License-Identifier: Apache-2.0
"""Groups of neighbouring positions: their mean, and back (Funnel-Transformer).

Dai et al., "Funnel-Transformer: Filtering out Sequential Redundancy for
Efficient Language Processing" (https://arxiv.org/abs/2006.03236), section 2.2.
"""

import tensorflow as tf


class Neighbours:
  """How N positions lie in K groups.

  Position 0, `[CLS]`, is a group of its own. The others lie in K - 1 groups of
  `(N - 1) // (K - 1)` neighbours; the last group also has those left over.

  Args:
    length: int, N.
    groups: int, K, in [2, N].

  Example:

  >>> pairs = Neighbours(length=6, groups=3)
  >>> states = tf.constant([[[9.0], [1.0], [3.0], [2.0], [4.0], [6.0]]])
  >>> means, mask = pairs.mean(states, mask=None)
  >>> means.numpy().ravel().tolist(), mask
  ([9.0, 2.0, 4.0], None)
  >>> pairs.repeat(means).numpy().ravel().tolist()
  [9.0, 2.0, 2.0, 4.0, 4.0, 4.0]
  """

  def __init__(self, length: int, groups: int):
    self._length = length
    self._groups = groups
    self._size = (length - 1) // (groups - 1)

  def mean(
    self, states: tf.Tensor, mask: tf.Tensor | None
  ) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Pools.

    Args:
      states: float tensor [B, N, D].
      mask: [B, N], 0 at padding; `None` means no padding.

    Returns:
      Means over the real tokens of each group, [B, K, D], 0 where there are
      none; and the mask [B, K], 0 at these, or `None`.
    """
    if mask is None:
      counts = self.sum(tf.ones_like(states[..., :1]))
      return self.sum(states) / counts, None
    real = tf.cast(mask, states.dtype)[..., tf.newaxis]  # [B, N, 1]
    counts = self.sum(real)
    means = tf.math.divide_no_nan(self.sum(states * real), counts)
    return means, tf.cast(counts[..., 0] > 0, mask.dtype)

  def first(self, values: tf.Tensor) -> tf.Tensor:
    """Returns what the first of each group has, [B, N] -> [B, K]."""
    starts = [0, *range(1, 1 + self._size * (self._groups - 1), self._size)]
    return tf.gather(values, starts, axis=1)

  def repeat(self, groups: tf.Tensor) -> tf.Tensor:
    """Gives each position what its group has, [B, K, D] -> [B, N, D]."""
    batch, width = tf.shape(groups)[0], groups.shape[-1]
    copies = tf.tile(groups[:, 1:, tf.newaxis], [1, 1, self._size, 1])
    shape = [batch, self._size * (self._groups - 1), width]
    rest = tf.tile(groups[:, -1:], [1, self._length - 1 - shape[1], 1])
    return tf.concat([groups[:, :1], tf.reshape(copies, shape), rest], axis=1)

  def sum(self, states: tf.Tensor) -> tf.Tensor:
    """Sums by group, [B, N, D] -> [B, K, D]."""
    batch, width = tf.shape(states)[0], states.shape[-1]
    end = 1 + self._size * (self._groups - 1)
    shape = [batch, self._groups - 1, self._size, width]
    sums = tf.reduce_sum(tf.reshape(states[:, 1:end], shape), axis=2)
    if end < self._length:
      rest = tf.reduce_sum(states[:, end:], axis=1, keepdims=True)
      sums += tf.pad(rest, [[0, 0], [self._groups - 2, 0], [0, 0]])
    return tf.concat([states[:, :1], sums], axis=1)
