# SPDX-License-Identifier: Apache-2.0
"""A pass through the layers, and what a drop type decides in it.

Shapes as in `stack`; K is the number of tokens that stay.
"""

import abc

import tensorflow as tf

from token_dropping.dropping import tokens as tokens_lib


class LayerRun(abc.ABC):
  """A pass in progress; its methods run the layers from the first to the last.

  A drop type is a subclass: how a layer runs in which fewer tokens stay, and
  how all return; its class methods need no pass. `stack` is a
  `stack.LayerStack`; `scorer`, a `TokenScorer`, is needed only to choose.

  Attributes:
    tokens: those that are there, N of each sequence.
    kept_positions: int32 [B, K], of the tokens that stayed in all stages;
      `None` if nothing was dropped, or where the type has no such tokens.
    computed_share: float32 [B, S], after `restore`: in which share of the
      layers since the first dropping one each token was computed; else `None`.
    token_scores: float32 [B, S], by which the first dropping layer chose;
      `None` if none has chosen.
    selection_sums: float32 [L, 5], what the choices of the layers tell a
      `selection.Threshold`; else `None`.
    encoder_outputs: [B, S, D] after each layer so far: states of all tokens.
  """

  default_importance = "mlm_loss"  # `importance.type` unless a config says it
  chooses_by_layer = False  # then scores must differ from layer to layer
  about = ""  # what became of dropped tokens, for people, in Markdown

  def __init__(self, stack, tokens: tokens_lib.Tokens, scorer=None):
    self._stack, self._scorer = stack, scorer
    self._stages = []  # what the type remembers of those with dropped tokens
    self.tokens = tokens
    self.kept_positions = None
    self.computed_share = None
    self.token_scores = None
    self.selection_sums = None
    self.encoder_outputs = []

  @classmethod
  def default_drop_layer(cls, num_layers: int) -> int:
    """Returns the layer in which tokens leave unless a config says it."""
    return num_layers // 2 - 1

  @classmethod
  def check_kept(cls, keep_ratio: float | None, keep_k, name: str) -> None:
    """A `UserError` if it cannot keep this; `name` is the ratio's field."""
    return  # most types can keep any

  @classmethod
  def keep_count(cls, keep_ratio: float, seq_length: int) -> int:
    return max(1, round(keep_ratio * seq_length))

  @classmethod
  def num_keys(cls, length: int, before: int, queries: int) -> int:
    """Keys from the dropping layer on; the layer before had `before` tokens."""
    return before

  def layers_before(self, stop: int) -> None:
    """Runs the layers up to `stop - 1` on the tokens that are there."""
    while len(self.encoder_outputs) < stop:
      self._next_layer()

  @abc.abstractmethod
  def dropping_layer(self, keep: int) -> None:
    """Runs a layer from which on `keep` tokens are computed, K."""

  @abc.abstractmethod
  def restore(self) -> None:
    """Lets all tokens be there again, in their order."""

  def last_layer(self, read: tf.Tensor | None) -> None:
    """Runs the last layer, its queries only at `read` [B, R] if given."""
    if read is None:
      return self._next_layer()
    states = self._layer(self.tokens.gather(read), self.tokens)
    self._finish_layer(self.tokens.restored(states, read))

  def what_stayed(self) -> dict[str, tf.Tensor]:
    names = ("kept_positions", "computed_share", "token_scores")
    names += ("selection_sums",)
    stayed = {name: getattr(self, name) for name in names}
    return {name: value for name, value in stayed.items() if value is not None}

  def _next_layer(self) -> None:
    self._finish_layer(self._layer(self.tokens))

  def _layer(self, queries, keys=None) -> tf.Tensor:
    return self._stack.run_layer(len(self.encoder_outputs), queries, keys)

  def _select(self, keep: int) -> tf.Tensor:
    """Returns the places of the most important tokens, int32 [B, K]."""
    mask, layer = self.tokens.mask, len(self.encoder_outputs)
    scores = self._scorer(
      self.tokens.ids, self.tokens.states, mask=mask, keep=keep, layer=layer
    )
    if self.token_scores is None:
      self.token_scores = scores
    in_slots = bool(self._stages)
    places, sums = self._scorer.choose(scores, keep, mask, layer, in_slots)
    if sums is not None:
      before = self.selection_sums
      self.selection_sums = sums if before is None else before + sums
    return places

  def _gather(self, places: tf.Tensor) -> tokens_lib.Tokens:
    """Returns the tokens at selected places."""
    return self.tokens.gather(places, self._scorer.has_empty_slots)

  def _finish_layer(self, states: tf.Tensor) -> None:
    self.tokens = self.tokens.with_states(states)
    # In a graph most of these are read by nobody, and pruned.
    self.encoder_outputs.append(self._all_states())

  def _all_states(self) -> tf.Tensor:
    """Returns the states of all tokens, [B, S, D]."""
    return self.tokens.states

  @staticmethod
  def _column(states: tf.Tensor, value: float) -> tf.Tensor:
    """Returns one number for each of some tokens, float32 [B, N, 1]."""
    return value * tf.ones_like(states[..., :1], tf.float32)
