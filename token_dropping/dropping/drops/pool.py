# SPDX-License-Identifier: Apache-2.0
"""Neighbours are pooled instead of dropped: Funnel-Transformer.

Dai et al., "Funnel-Transformer: Filtering out Sequential Redundancy for
Efficient Language Processing" (https://arxiv.org/abs/2006.03236), section 2.2.
Shapes as in `layer_run`.
"""

import dataclasses
import math

import tensorflow as tf

from token_dropping.dropping import layer_run
from token_dropping.dropping.drops import neighbours


@dataclasses.dataclass(frozen=True)
class _Pooled:
  """The tokens from before a stage, and how they were pooled.

  Attributes:
    layer: int, 0-based, of the stage.
    states: [B, N, D].
    mask: [B, N], or `None` without padding.
    groups: K groups of neighbours.
  """

  layer: int
  states: tf.Tensor
  mask: tf.Tensor | None
  groups: neighbours.Neighbours


class PoolRun(layer_run.LayerRun):
  """In the layer that pools, means are queries; all are keys and values.

  In the layers after it means see means alone. In the end each position gets
  the state of its group, plus its own state from before the first pooling.
  """

  def __init__(self, encoder, embeddings: tf.Tensor, mask: tf.Tensor | None):
    super().__init__(encoder, embeddings, mask)
    self._pooled: list[_Pooled] = []

  @classmethod
  def check_kept(
    cls, keep_ratio: float | None, keep_k: int | None, name: str
  ) -> None:
    if keep_k is not None:
      raise ValueError(
        "token_keep_k must be unset where drop.type is pool, which needs "
        f"token_keep_ratio. Received: {keep_k}"
      )
    if math.frexp(keep_ratio)[0] != 0.5:  # no power of two
      raise ValueError(
        f"{name} must be 1, 1/2, 1/4, 1/8 ... where drop.type is pool. "
        f"Received: {keep_ratio}"
      )

  @classmethod
  def keep_count(cls, keep_ratio: float, seq_length: int) -> int:
    """Returns 1 for `[CLS]` and the number of groups of `1 / keep_ratio`."""
    groups = math.floor((seq_length - 1) * keep_ratio)
    return min(seq_length, 1 + max(1, groups))

  def dropping_layer(self, keep: int) -> None:
    length = self._states.shape[1]
    if keep == length:
      return self._next_layer()
    keys, mask = self._states, self._mask
    groups = neighbours.Neighbours(length, keep)
    layer = len(self.encoder_outputs)
    self._pooled.append(_Pooled(layer, keys, mask, groups))
    queries, self._mask = groups.mean(keys, mask)
    self._states = self._layer(queries, keys, mask)
    self._finish_layer()

  def restore(self) -> None:
    if not self._pooled:
      return
    first = self._pooled[0]
    self.computed_share = self._computed_share()
    late = self._all_states()
    self._states = late + tf.cast(first.states, late.dtype)
    self._mask = first.mask
    self._pooled = []

  def _all_states(self) -> tf.Tensor:
    return self._repeated(self._states, self._pooled)

  @staticmethod
  def _repeated(states: tf.Tensor, pooled: list[_Pooled]) -> tf.Tensor:
    """Gives each token what its group has, [B, K, D] -> [B, S, D]."""
    for each in reversed(pooled):
      states = each.groups.repeat(states)
    return states

  def _computed_share(self) -> tf.Tensor:
    """Returns the mean of one over the number of real tokens in the group."""
    first = self._pooled[0]
    real = self._column(first.states, 1.0)
    if first.mask is not None:
      real = tf.cast(first.mask, tf.float32)[..., tf.newaxis]
    starts = [each.layer for each in self._pooled] + [len(self.encoder_outputs)]
    layers = 0.0
    for stage, each in enumerate(self._pooled):
      real = each.groups.sum(real)  # [B, K, 1]
      share = tf.math.divide_no_nan(1.0, real)
      times = starts[stage + 1] - starts[stage]
      layers += times * self._repeated(share, self._pooled[: stage + 1])
    return layers[..., 0] / (starts[-1] - starts[0])
