# SPDX-License-Identifier: Apache-2.0
"""Dropped tokens stay as context: they are seen, but no longer computed.

Shapes as in `layer_run`.
"""

import tensorflow as tf

from token_dropping.dropping.drops import skip


class ContextRun(skip.SkipRun):
  """In all middle layers kept tokens are queries; all are keys and values.

  A dropped token has the state with which it left, in every layer's own
  projection of it.
  """

  def __init__(self, encoder, embeddings: tf.Tensor, mask: tf.Tensor | None):
    super().__init__(encoder, embeddings, mask)
    self._embeddings = embeddings
    self._full_mask = mask

  @classmethod
  def num_keys(cls, length: int, before: int, queries: int) -> int:
    del before, queries
    return length

  def _keys(self) -> tuple[tf.Tensor, tf.Tensor | None]:
    entering = [self._embeddings, *self.encoder_outputs][-1]
    return entering, self._full_mask

  def _next_layer(self) -> None:
    if not self._waiting:
      return super()._next_layer()
    self._states = self._layer(self._states, *self._keys())
    self._finish_layer()
