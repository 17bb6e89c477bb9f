# SPDX-License-Identifier: Apache-2.0
"""Dropped tokens wait: unseen, as published, or as context of the others."""

import dataclasses

import tensorflow as tf

from token_dropping.dropping import layer_run
from token_dropping.dropping import tokens as tokens_lib


@dataclasses.dataclass(frozen=True)
class _Waiting:
  """The tokens from before the stage of a layer, and which of them go on."""

  layer: int
  tokens: tokens_lib.Tokens
  places: tf.Tensor  # int32 [B, K], ascending


class SkipRun(layer_run.LayerRun):
  """In the layer that drops, kept tokens are queries; all are keys and values.

  After it they see kept tokens alone. A dropped token's state waits unchanged
  (Hou et al., arXiv 2203.13240, sec. 3.1).
  """

  about = (
    "the dropped tokens skipped the middle layers\n"
    "([Hou et al., ACL 2022](https://arxiv.org/abs/2203.13240))"
  )

  def dropping_layer(self, keep: int) -> None:
    if keep == self.tokens.count:
      return self._next_layer()
    keys = self._keys()
    self._leave(keep)
    self._finish_layer(self._layer(self.tokens, keys))

  def restore(self) -> None:
    if not self._stages:
      return
    self.computed_share = self._computed_share()
    self.tokens = self._stages[0].tokens.with_states(self._all_states())
    self._stages = []

  def _keys(self) -> tokens_lib.Tokens:
    """Returns what a layer that drops attends to."""
    return self.tokens

  def _leave(self, keep: int) -> None:
    """Lets all but the `keep` most important tokens wait."""
    places = self._select(keep)
    layer = len(self.encoder_outputs)
    self._stages.append(_Waiting(layer, self.tokens, places))
    self.tokens = self._gather(places)
    self.kept_positions = self.tokens.positions

  def _all_states(self) -> tf.Tensor:
    states = self.tokens.states
    for waiting in reversed(self._stages):
      states = waiting.tokens.restored(states, waiting.places)
    return states

  def _computed_share(self) -> tf.Tensor:
    first, end = self._stages[0].layer, len(self.encoder_outputs)
    share = self._column(self.tokens.states, 1.0)  # [B, K, 1]
    for waiting in reversed(self._stages):
      left = (waiting.layer - first) / (end - first)
      before = self._column(waiting.tokens.states, left)
      share = tokens_lib.restore(before, share, waiting.places)
    return share[..., 0]


class ContextRun(SkipRun):
  """In all middle layers kept tokens are queries; all are keys and values.

  Every layer makes its own projection of a dropped token's last state.
  """

  about = (
    "the middle layers computed the kept tokens alone,\n"
    "which saw the others as they were"
  )

  @classmethod
  def num_keys(cls, length: int, before: int, queries: int) -> int:
    return length

  def _keys(self) -> tokens_lib.Tokens:
    if not self._stages:
      return self.tokens
    return self._stages[0].tokens.with_states(self.encoder_outputs[-1])

  def _next_layer(self) -> None:
    if not self._stages:
      return super()._next_layer()
    self._finish_layer(self._layer(self.tokens, self._keys()))
