# SPDX-License-Identifier: Apache-2.0
"""Pooled neighbours: the Funnel-Transformer (arXiv 2006.03236, sec. 2.2)."""

import dataclasses
import math

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.dropping import layer_run
from token_dropping.dropping import tokens as tokens_lib


class Neighbours:
  """How `length` N positions lie in `groups` K, at least 2.

  `[CLS]`, position 0, is a group of its own. The others lie in K - 1 groups of
  `(N - 1) // (K - 1)`; the last group also has those left over.

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
    """Returns means [B, K, D] of real tokens, and a mask, 0 where none is."""
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


@dataclasses.dataclass(frozen=True)
class _Pooled:
  """The tokens from before the stage of a layer, and how they were pooled."""

  layer: int
  tokens: tokens_lib.Tokens
  groups: Neighbours


class PoolRun(layer_run.LayerRun):
  """Means of neighbours are queries; all tokens are keys in the pooling layer.

  After it means see means alone. In the end each position gets the state of its
  group, plus its own from before the first pooling. A mean has position and
  document of its group's first token, and no id; where a document ends inside a
  group, two documents are in one mean.
  """

  about = (
    "the middle layers computed means of neighbours\n"
    "([Funnel-Transformer](https://arxiv.org/abs/2006.03236))"
  )

  @classmethod
  def check_kept(cls, keep_ratio: float | None, keep_k, name: str) -> None:
    where = "where drop.type is pool"
    rule = f"token_keep_k must be unset {where}, which needs token_keep_ratio"
    errors.require(keep_k is None, rule, keep_k)
    is_power_of_two = math.frexp(keep_ratio)[0] == 0.5
    rule = f"{name} must be 1, 1/2, 1/4, 1/8 ... {where}"
    errors.require(is_power_of_two, rule, keep_ratio)

  @classmethod
  def keep_count(cls, keep_ratio: float, seq_length: int) -> int:
    """Returns 1 for `[CLS]` and the number of groups of `1 / keep_ratio`."""
    groups = math.floor((seq_length - 1) * keep_ratio)
    return min(seq_length, 1 + max(1, groups))

  def dropping_layer(self, keep: int) -> None:
    if keep == self.tokens.count:
      return self._next_layer()
    keys = self.tokens
    groups = Neighbours(keys.count, keep)
    self._stages.append(_Pooled(len(self.encoder_outputs), keys, groups))
    self.tokens = _means(keys, groups)
    self._finish_layer(self._layer(self.tokens, keys))

  def restore(self) -> None:
    if not self._stages:
      return
    first = self._stages[0].tokens
    self.computed_share = self._computed_share()
    late = self._all_states()
    self.tokens = first.with_states(late + tf.cast(first.states, late.dtype))
    self._stages = []

  def _all_states(self) -> tf.Tensor:
    return _repeated(self.tokens.states, self._stages)

  def _computed_share(self) -> tf.Tensor:
    """Returns the mean of one over the number of real tokens in the group."""
    first = self._stages[0].tokens
    real = self._column(first.states, 1.0)
    if first.mask is not None:
      real = tf.cast(first.mask, tf.float32)[..., tf.newaxis]
    starts = [stage.layer for stage in self._stages]
    starts.append(len(self.encoder_outputs))
    layers = 0.0
    for index, stage in enumerate(self._stages):
      real = stage.groups.sum(real)  # [B, K, 1]
      share = tf.math.divide_no_nan(1.0, real)
      times = starts[index + 1] - starts[index]
      layers += times * _repeated(share, self._stages[: index + 1])
    return layers[..., 0] / (starts[-1] - starts[0])


def _repeated(states: tf.Tensor, pooled: list[_Pooled]) -> tf.Tensor:
  """Gives each token what its group has, [B, K, D] -> [B, S, D]."""
  for stage in reversed(pooled):
    states = stage.groups.repeat(states)
  return states


def _means(tokens: tokens_lib.Tokens, groups: Neighbours) -> tokens_lib.Tokens:
  states, mask = groups.mean(tokens.states, tokens.mask)
  documents = tokens.documents
  if documents is not None:
    documents = groups.first(documents)
  positions = groups.first(tokens.positions)
  return tokens_lib.Tokens(states, positions, None, documents, mask)
