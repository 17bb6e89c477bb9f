# SPDX-License-Identifier: Apache-2.0
"""One pass through the transformer layers, and what a drop type decides in it.

Shapes: B batch, S sequence length, N tokens that are there, K of them that
stay, R positions that the loss reads, D hidden size.
"""

import abc

import tensorflow as tf


class LayerRun(abc.ABC):
  """A pass in progress; its methods run the layers from the first to the last.

  A drop type is a subclass: how a layer runs in which fewer tokens stay, and
  how all of them return. The class methods say where and how many, without a
  pass.

  Class attributes:
    default_importance: str, `importance.type` unless a config says it.
    chooses_by_layer: bool, whether every layer chooses its tokens, which needs
      scores that differ from layer to layer.

  Args:
    encoder: a `TokenDropEncoder`.
    embeddings: [B, S, D].
    mask: [B, S], 0 at padding; `None` means no padding.

  Attributes:
    ids: int [B, N], of the tokens that are there, -1 for those that have none;
      needed to drop.
    kept_positions: int32 [B, K], the positions in the sequence of those that
      stayed in all stages so far; `None` if nothing was dropped, or where the
      type has no such tokens.
    computed_share: float32 [B, S], after `restore`: in which share of the
      layers since the first dropping one each token was computed; `None` if
      nothing was dropped.
    token_scores: float32 [B, S], by which the first dropping layer chose;
      `None` if none has chosen.
    encoder_outputs: list of [B, S, D], the states of all tokens after each
      layer so far.
    attention_scores: list of the layers' attention scores, if asked for.
  """

  default_importance = "mlm_loss"
  chooses_by_layer = False

  def __init__(self, encoder, embeddings: tf.Tensor, mask: tf.Tensor | None):
    self._encoder = encoder
    self._states = embeddings  # [B, N, D]
    self._mask = mask  # [B, N]
    self.ids = None
    self.kept_positions = None
    self.computed_share = None
    self.token_scores = None
    self.encoder_outputs = []
    self.attention_scores = []

  @classmethod
  def default_drop_layer(cls, num_layers: int) -> int:
    """Returns the layer in which tokens leave unless a config says it."""
    return num_layers // 2 - 1

  @classmethod
  def check_kept(
    cls, keep_ratio: float | None, keep_k: int | None, name: str
  ) -> None:
    """Refuses what the type cannot keep; one of the two is given.

    Args:
      keep_ratio: share of the whole sequence.
      keep_k: a count instead.
      name: of the field with the ratio.

    Raises:
      ValueError: with the rule and the value.
    """
    del keep_ratio, keep_k, name  # most types can keep any

  @classmethod
  def keep_count(cls, keep_ratio: float, seq_length: int) -> int:
    """Returns how many of `seq_length` positions a ratio keeps."""
    return max(1, round(keep_ratio * seq_length))

  @classmethod
  def num_keys(cls, length: int, before: int, queries: int) -> int:
    """Returns the number of key positions of a layer that drops or follows.

    Args:
      length: S.
      before: number of tokens that were in the layer before.
      queries: number of query positions.
    """
    del length, queries
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
      output_range = self._encoder._output_range
      self._states = self._layer(
        self._states, None, self._mask, output_range=output_range
      )
    else:
      queries = self._encoder._gather(self._states, read)
      states = self._layer(queries, self._states, self._mask)
      self._states = self._encoder._restore(self._states, states, read)
    self._finish_layer()

  def what_stayed(self) -> dict[str, tf.Tensor]:
    """Returns the three attributes of what stayed, as far as there are."""
    found = {
      "kept_positions": self.kept_positions,
      "computed_share": self.computed_share,
      "token_scores": self.token_scores,
    }
    return {name: each for name, each in found.items() if each is not None}

  def _next_layer(self) -> None:
    """Runs a layer on the tokens that are there."""
    self._states = self._layer(self._states, None, self._mask)
    self._finish_layer()

  def _select(self, keep: int) -> tf.Tensor:
    """Returns the positions of the most important tokens, int32 [B, K]."""
    scores = self._encoder.importance_scorer(
      self.ids,
      self._states,
      mask=self._mask,
      keep=keep,
      layer=len(self.encoder_outputs),
    )
    if self.token_scores is None:
      self.token_scores = scores
    return self._encoder._selector(scores, keep=keep, mask=self._mask)

  def _finish_layer(self) -> None:
    # In a graph most of these are read by nobody, and pruned.
    self.encoder_outputs.append(self._all_states())

  def _all_states(self) -> tf.Tensor:
    """Returns the states of all tokens, [B, S, D]."""
    return self._states

  @staticmethod
  def _column(states: tf.Tensor, value: float) -> tf.Tensor:
    """Returns one number for each of some tokens, float32 [B, N, 1]."""
    return value * tf.ones_like(states[..., :1], tf.float32)

  def _layer(self, queries, keys, mask, output_range=None) -> tf.Tensor:
    """Runs the next layer; `keys=None` is self-attention of the queries."""
    layer = self._encoder.transformer_layers[len(self.encoder_outputs)]
    if mask is not None:
      # One row for all queries: attention adds it to every row of its scores.
      mask = tf.cast(mask, queries.dtype)[:, tf.newaxis, :]  # [B, 1, N]
    inputs = [queries, mask] if keys is None else [queries, keys, mask]
    outputs = layer(inputs, output_range=output_range)
    if self._encoder._config["return_attention_scores"]:
      outputs, scores = outputs
      self.attention_scores.append(scores)
    return outputs
