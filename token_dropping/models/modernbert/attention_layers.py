# SPDX-License-Identifier: Apache-2.0
"""Attention with rotary positions and without biases, global and local.

Shapes as in `softmax_attention`.
"""

import abc
from collections.abc import Callable

import tensorflow as tf
import tf_keras

from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models.causal import key_value_cache
from token_dropping.models.modernbert import global_attention
from token_dropping.models.modernbert import local_attention
from token_dropping.models.modernbert import rotary


class Attention(tf_keras.layers.Layer, abc.ABC):
  """Projects, rotates and attends; a subclass knows which keys are seen.

  `theta` is that of the rotation, `stddevs` are those of the initial weights
  inside and of the output; where it `is_causal`, no token sees one after it;
  `dropout_rate` is of the attention weights.

  Attributes:
    distance: how far tokens see, in positions; `None`: everywhere.
    qkv_kernel: [D, 3, N, H], of queries, keys and values.
    output_kernel: [N, H, D].
  """

  distance: int | None = None

  def __init__(
    self,
    num_heads: int,
    theta: float,
    stddevs: tuple[float, float],
    is_causal: bool = False,
    dropout_rate: float = 0.0,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self._num_heads = num_heads
    self._theta = theta
    self._stddevs = stddevs
    self._is_causal = is_causal
    self._dropout = dropout_rate  # `fused_attention` reads it
    self._dropout_layer = tf_keras.layers.Dropout(dropout_rate)

  def build(self, input_shape):
    width = input_shape[0][-1]
    head = [self._num_heads, width // self._num_heads]
    inside, output = (
      tf_keras.initializers.TruncatedNormal(stddev=stddev)
      for stddev in self._stddevs
    )
    self.qkv_kernel = self.add_weight(
      "qkv_kernel", [width, 3, *head], initializer=inside
    )
    self.output_kernel = self.add_weight(
      "output_kernel", [*head, width], initializer=output
    )
    super().build(input_shape)

  def call(
    self,
    inputs: list[tf.Tensor],
    queries: tokens_lib.Tokens,
    keys: tokens_lib.Tokens,
    training: bool | None = None,
  ) -> tf.Tensor:
    """Returns what tokens attend to, [B, Q, D].

    `inputs` are states of the queries, [B, Q, D], and of the keys, [B, K, D],
    if they are not the same; all else is known of them from the tokens.
    """
    if len(inputs) == 1:
      query, key, value = self._project(inputs[0], slice(3))
    else:
      (query,) = self._project(inputs[0], slice(1))
      key, value = self._project(inputs[1], slice(1, 3))
    query = rotary.rotate(query, queries.positions, self._theta)
    key = rotary.rotate(key, keys.positions, self._theta)
    attended = self._attend(query, key, value, queries, keys, training)
    return tf.einsum("btnh,nhd->btd", attended, self.output_kernel)

  def read_on(
    self, states: tf.Tensor, positions: tf.Tensor, held: key_value_cache.Held
  ) -> tuple[tf.Tensor, key_value_cache.Held]:
    """Returns what new tokens attend to [B, Q, D], and what is then held.

    See `key_value_cache`.
    """
    query, key, value = self._project(states, slice(3))
    query = rotary.rotate(query, positions, self._theta)
    key = rotary.rotate(key, positions, self._theta)
    attended, held = key_value_cache.attend(
      query, key, value, positions, held, self.distance
    )
    return tf.einsum("btnh,nhd->btd", attended, self.output_kernel), held

  def _project(self, states: tf.Tensor, which: slice) -> list[tf.Tensor]:
    kernel = self.qkv_kernel[:, which]
    return tf.unstack(tf.einsum("btd,dcnh->btcnh", states, kernel), axis=2)

  @abc.abstractmethod
  def _attend(self, query, key, value, queries, keys, training) -> tf.Tensor:
    """Returns the values that queries attend to, [B, Q, N, H]."""

  def _dropout_of(self, training: bool | None) -> Callable | None:
    return self._dropout_layer if training and self._dropout else None


class GlobalAttention(Attention):
  """Every token sees all of its document, or all that came before."""

  def _attend(self, query, key, value, queries, keys, training) -> tf.Tensor:
    relations = []
    if keys.documents is not None:
      relations.append((queries.documents, keys.documents, tf.equal))
    if self._is_causal:
      places = queries.positions, keys.positions
      relations.append((*places, tf.greater_equal))
    if relations:
      dropout = self._dropout_of(training)
      return global_attention.attend(
        query, key, value, keys.mask, relations, dropout
      )
    mask = keys.mask
    if mask is not None:
      mask = tf.cast(mask, query.dtype)[:, tf.newaxis]
    return self._compute_attention(query, key, value, mask, training)[0]

  def _compute_attention(
    self, query, key, value, attention_mask=None, training=None
  ) -> tuple[tf.Tensor, None]:
    """Attends with a mask [B, 1, K]; `fused_attention` stands for it."""
    mask = None if attention_mask is None else attention_mask[:, 0]
    dropout = self._dropout_of(training)
    attended = global_attention.attend(query, key, value, mask, (), dropout)
    return attended, None


class LocalAttention(Attention):
  """A token sees those nearby; see `local_attention.attend` for `distance`."""

  def __init__(self, *args, distance: int, **kwargs):
    super().__init__(*args, **kwargs)
    self.distance = distance

  def _attend(self, query, key, value, queries, keys, training) -> tf.Tensor:
    how = self.distance, self._is_causal, self._dropout_of(training)
    return local_attention.attend(query, key, value, queries, keys, *how)
