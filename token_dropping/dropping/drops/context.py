# SPDX-License-Identifier: Apache-2.0
"""Dropped tokens stay as context: they are seen, but no longer computed."""

from token_dropping.dropping import tokens as tokens_lib
from token_dropping.dropping.drops import skip


class ContextRun(skip.SkipRun):
  """In all middle layers kept tokens are queries; all are keys and values.

  Every layer makes its own projection of a dropped token's last state.
  """

  about = (
    "the middle layers computed the kept tokens alone,\n"
    "which saw the others as they were"
  )

  def __init__(self, stack, tokens: tokens_lib.Tokens, scorer=None):
    super().__init__(stack, tokens, scorer)
    self._sequence = tokens

  @classmethod
  def num_keys(cls, length: int, before: int, queries: int) -> int:
    del before, queries
    return length

  def _keys(self) -> tokens_lib.Tokens:
    entering = [self._sequence.states, *self.encoder_outputs][-1]
    return self._sequence.with_states(entering)

  def _next_layer(self) -> None:
    if not self._waiting:
      return super()._next_layer()
    self._finish_layer(self._layer(self.tokens, self._keys()))
