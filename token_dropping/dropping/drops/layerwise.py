# SPDX-License-Identifier: Apache-2.0
"""Every middle layer chooses anew: random-LTD (arXiv 2211.11586, sec. 3)."""

import tensorflow as tf

from token_dropping.dropping import layer_run
from token_dropping.dropping import tokens as tokens_lib


class LayerwiseRun(layer_run.LayerRun):
  """In a middle layer kept tokens are queries, keys and values.

  What comes out is put back in place before the next layer makes its choice.
  """

  default_importance = "random"
  chooses_by_layer = True
  about = (
    "each of the middle layers computed tokens of its own choice\n"
    "([random-LTD](https://arxiv.org/abs/2211.11586))"
  )

  def __init__(self, stack, tokens: tokens_lib.Tokens, scorer=None):
    super().__init__(stack, tokens, scorer)
    self._keep = None  # how many, from the first dropping layer on
    self._computed = []  # [B, S] of 0 and 1, one for each layer that dropped

  @classmethod
  def default_drop_layer(cls, num_layers: int) -> int:
    return 1

  @classmethod
  def num_keys(cls, length: int, before: int, queries: int) -> int:
    return queries

  def dropping_layer(self, keep: int) -> None:
    self._keep = keep
    self._next_layer()

  def restore(self) -> None:
    self._keep = None
    if self._computed:
      self.computed_share = tf.add_n(self._computed) / len(self._computed)

  def _next_layer(self) -> None:
    if self._keep is None or self._keep == self.tokens.count:
      return super()._next_layer()
    places = self._select(self._keep)
    kept = self._layer(self._gather(places))
    before = self._column(self.tokens.states, 0.0)
    computed = tokens_lib.restore(before, self._column(kept, 1.0), places)
    self._computed.append(computed[..., 0])
    self._finish_layer(self.tokens.restored(kept, places))
