# SPDX-License-Identifier: Apache-2.0
"""Goes on with sequences, token by token; nothing is dropped."""

import tensorflow as tf

from token_dropping.models.causal import key_value_cache
from token_dropping.models.causal import language_model
from token_dropping.models.causal import sampling


class Generator(tf.Module):
  """Draws what follows prompts from a model.

  `allowed` is bool [V]: which ids may be drawn; `end_id` ends a sequence.
  """

  def __init__(
    self, model: language_model.LanguageModel, allowed: tf.Tensor, end_id: int
  ):
    super().__init__()
    self._model = model
    self._allowed = allowed
    self._end_id = end_id

  def generate(
    self,
    ids: tf.Tensor,
    lengths: tf.Tensor,
    max_new_tokens: int | tf.Tensor,
    how: sampling.Sampling,
  ) -> tf.Tensor:
    """Returns up to `max_new_tokens` ids that follow prompts, int32 [B, new].

    Prompts are int32 [B, P] with at least one token each, as many as `lengths`,
    int32 [B], says; what stands behind them counts for nothing. After its end a
    sequence has the id of the end. It stops when all have ended.
    """
    batch, length = tf.unstack(tf.shape(ids))
    network = self._model.encoder_network
    cache = key_value_cache.empty(network, batch, length + max_new_tokens)
    places = tf.broadcast_to(tf.range(length), [batch, length])
    states, cache = key_value_cache.run(network, ids, places, cache)
    states = tf.gather(states, lengths[:, tf.newaxis] - 1, batch_dims=1)
    first = self._draw(states, how, tf.constant(0))
    tokens = tf.TensorArray(tf.int32, 1, dynamic_size=True).write(0, first)

    def goes_on(step, last, *_):
      return (step < max_new_tokens) & tf.reduce_any(last != self._end_id)

    def add(step, last, tokens, cache):
      places = (lengths + step - 1)[:, tf.newaxis]
      states, cache = key_value_cache.run(
        network, last[:, tf.newaxis], places, cache
      )
      drawn = self._draw(states, how, step)
      drawn = tf.where(last == self._end_id, self._end_id, drawn)
      return step + 1, drawn, tokens.write(step, drawn), cache

    state = tf.constant(1), first, tokens, cache
    _, _, tokens, _ = tf.while_loop(goes_on, add, state)
    return tf.transpose(tokens.stack())

  def _draw(self, states: tf.Tensor, how, step: tf.Tensor) -> tf.Tensor:
    logits = tf.cast(self._model.logits(states)[:, 0], tf.float32)
    logits = tf.where(self._allowed, logits, -float("inf"))
    return sampling.draw(logits, how, step)
