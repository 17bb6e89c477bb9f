# SPDX-License-Identifier: Apache-2.0
"""Dropped tokens skip the middle layers: the published token dropping.

Hou et al., "Token Dropping for Efficient BERT Pretraining", ACL 2022
(https://arxiv.org/abs/2203.13240), section 3.1. Shapes as in `layer_run`.
"""

import dataclasses

import tensorflow as tf

from token_dropping.dropping import layer_run


@dataclasses.dataclass(frozen=True)
class _Waiting:
  """The tokens from before a stage, and which of them go on.

  Attributes:
    layer: int, 0-based, of the stage.
    states: [B, N, D].
    mask: [B, N], or `None` without padding.
    positions: int32 [B, K], ascending, those that stay.
  """

  layer: int
  states: tf.Tensor
  mask: tf.Tensor | None
  positions: tf.Tensor


class SkipRun(layer_run.LayerRun):
  """In the layer that drops, kept tokens are queries; all are keys and values.

  In the layers after it kept tokens see kept tokens alone. A dropped token
  waits with the state that it had when it left.
  """

  def __init__(self, encoder, embeddings: tf.Tensor, mask: tf.Tensor | None):
    super().__init__(encoder, embeddings, mask)
    self._waiting: list[_Waiting] = []

  def dropping_layer(self, keep: int) -> None:
    if keep == self._states.shape[1]:
      return self._next_layer()
    keys, mask = self._keys()
    self._leave(keep)
    self._states = self._layer(self._states, keys, mask)
    self._finish_layer()

  def restore(self) -> None:
    if not self._waiting:
      return
    self.computed_share = self._computed_share()
    self._states = self._all_states()
    self._mask = self._waiting[0].mask
    self._waiting = []

  def _keys(self) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns states and mask of what a layer that drops attends to."""
    return self._states, self._mask

  def _leave(self, keep: int) -> None:
    """Lets all but the `keep` most important tokens wait."""
    positions = self._select(keep)
    layer = len(self.encoder_outputs)
    self._waiting.append(_Waiting(layer, self._states, self._mask, positions))
    gather = self._encoder._gather
    self.ids = gather(self.ids, positions)
    self.kept_positions = (
      positions
      if self.kept_positions is None
      else gather(self.kept_positions, positions)
    )
    if self._mask is not None:
      self._mask = gather(self._mask, positions)
    self._states = gather(self._states, positions)

  def _all_states(self) -> tf.Tensor:
    states = self._states
    for waiting in reversed(self._waiting):
      states = self._encoder._restore(waiting.states, states, waiting.positions)
    return states

  def _computed_share(self) -> tf.Tensor:
    first, end = self._waiting[0].layer, len(self.encoder_outputs)
    share = self._column(self._states, 1.0)  # [B, K, 1]
    for waiting in reversed(self._waiting):
      left = (waiting.layer - first) / (end - first)
      before = self._column(waiting.states, left)
      share = self._encoder._restore(before, share, waiting.positions)
    return share[..., 0]
