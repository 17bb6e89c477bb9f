# SPDX-License-Identifier: Apache-2.0
"""One pass through the transformer layers, tokens leaving and returning.

Hou et al., ACL 2022, section 3.1. Shapes: B batch, S sequence length, N tokens
that are there, K of them that stay, R positions that the loss reads, D hidden
size.
"""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class _Waiting:
  """The tokens from before a stage, and which of them go on.

  Attributes:
    states: [B, N, D].
    mask: [B, N], or `None` without padding.
    positions: int32 [B, K], ascending, those that stay.
  """

  states: tf.Tensor
  mask: tf.Tensor | None
  positions: tf.Tensor


class LayerRun:
  """A pass in progress; its methods run the layers from the first to the last.

  Args:
    encoder: a `TokenDropEncoder`.
    embeddings: [B, S, D].
    mask: [B, S], 0 at padding; `None` means no padding.

  Attributes:
    ids: int [B, N], of the tokens that are there, -1 for those that have none;
      needed to drop.
    kept_positions: int32 [B, K], the positions in the sequence of those that
      stayed in all stages so far; `None` if nothing was dropped.
    encoder_outputs: list of [B, S, D], the states of all tokens after each
      layer so far.
    attention_scores: list of the layers' attention scores, if asked for.
  """

  def __init__(self, encoder, embeddings: tf.Tensor, mask: tf.Tensor | None):
    self._encoder = encoder
    self._states = embeddings  # [B, N, D]
    self._mask = mask  # [B, N]
    self._waiting: list[_Waiting] = []
    self.ids = None
    self.kept_positions = None
    self.encoder_outputs = []
    self.attention_scores = []

  def layers_before(self, stop: int) -> None:
    """Runs the layers up to `stop - 1` on the tokens that are there."""
    while len(self.encoder_outputs) < stop:
      self._states = self._layer(self._states, None, self._mask)
      self._finish_layer()

  def dropping_layer(self, keep: int) -> None:
    """Runs a layer whose queries are the `keep` most important tokens, [B, K].

    Its keys and values are those of all tokens that were there.
    """
    if keep == self._states.shape[1]:
      return self.layers_before(len(self.encoder_outputs) + 1)
    before, mask = self._states, self._mask
    scores = self._encoder.token_scores(
      self.ids, before, mask, keep, layer=len(self.encoder_outputs)
    )
    positions = self._encoder._selector(scores, keep=keep, mask=mask)
    self._waiting.append(_Waiting(before, mask, positions))
    gather = self._encoder._gather
    self.ids = gather(self.ids, positions)
    self._mask = None if mask is None else gather(mask, positions)
    self.kept_positions = (
      positions
      if self.kept_positions is None
      else gather(self.kept_positions, positions)
    )
    self._states = self._layer(gather(before, positions), before, mask)
    self._finish_layer()

  def restore(self) -> None:
    """Puts all tokens back where they were; the dropped ones have waited."""
    self._states = self._all_states()
    if self._waiting:
      self._mask = self._waiting[0].mask
    self._waiting = []

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

  def _finish_layer(self) -> None:
    # In a graph most of these are read by nobody, and pruned.
    self.encoder_outputs.append(self._all_states())

  def _all_states(self) -> tf.Tensor:
    """Returns the states of all tokens, [B, S, D]."""
    states = self._states
    for waiting in reversed(self._waiting):
      states = self._encoder._restore(waiting.states, states, waiting.positions)
    return states

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
