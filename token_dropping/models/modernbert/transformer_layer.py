# SPDX-License-Identifier: Apache-2.0
"""A layer of ModernBERT: norms first, a gated feed-forward, no biases."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras

from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models.causal import key_value_cache
from token_dropping.models.modernbert import attention_layers


def norm(epsilon: float, name: str) -> tf_keras.layers.LayerNormalization:
  """Returns a norm without a bias, in float32 as Model Garden's are.

  Optimizers know by `layer_norm` in its name that it does not decay.
  """
  return tf_keras.layers.LayerNormalization(
    epsilon=epsilon, center=False, dtype=tf.float32, name=name
  )


class GatedFeedForward(tf_keras.layers.Layer):
  """GeGLU (Shazeer, "GLU Variants Improve Transformer", arXiv 2002.05202).

  Attributes:
    input_kernel: [D, 2 F], of what is activated and of its gate.
    output_kernel: [F, D].
  """

  def __init__(
    self,
    inner_size: int,
    activation: Callable[[tf.Tensor], tf.Tensor],
    stddevs: tuple[float, float],
    **kwargs,
  ):
    super().__init__(**kwargs)
    self._inner_size = inner_size
    self._activation = activation
    self._stddevs = stddevs

  def build(self, input_shape):
    width, inner = input_shape[-1], self._inner_size
    inside, output = (
      tf_keras.initializers.TruncatedNormal(stddev=stddev)
      for stddev in self._stddevs
    )
    self.input_kernel = self.add_weight(
      "input_kernel", [width, 2 * inner], initializer=inside
    )
    self.output_kernel = self.add_weight(
      "output_kernel", [inner, width], initializer=output
    )
    super().build(input_shape)

  def call(self, states: tf.Tensor) -> tf.Tensor:
    """Returns the states [B, T, D] after it, without what came in."""
    inner = tf.einsum("btd,df->btf", states, self.input_kernel)
    activated, gate = tf.split(inner, 2, axis=-1)
    inner = self._activation(activated) * gate
    return tf.einsum("btf,fd->btd", inner, self.output_kernel)


class TransformerLayer(tf_keras.layers.Layer):
  """Attention, then feed-forward; each adds to the states."""

  def __init__(
    self,
    attention: attention_layers.Attention,
    feed_forward: GatedFeedForward,
    norm_eps: float,
    has_attention_norm: bool = True,
    dropout_rate: float = 0.0,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.attention_norm = None
    if has_attention_norm:
      self.attention_norm = norm(norm_eps, "attention_layer_norm")
    self.attention = attention
    self.feed_forward_norm = norm(norm_eps, "feed_forward_layer_norm")
    self.feed_forward = feed_forward
    self._attention_dropout = tf_keras.layers.Dropout(dropout_rate)
    self._output_dropout = tf_keras.layers.Dropout(dropout_rate)

  def call(
    self,
    inputs: list[tf.Tensor],
    queries: tokens_lib.Tokens,
    keys: tokens_lib.Tokens,
  ) -> tf.Tensor:
    """Returns the new states of the queries, [B, Q, D].

    `inputs` are as in `Attention`.
    """
    normed = inputs
    if self.attention_norm is not None:
      normed = [self.attention_norm(states) for states in inputs]
    attended = self.attention(normed, queries, keys)
    states = inputs[0] + self._attention_dropout(attended)
    change = self.feed_forward(self.feed_forward_norm(states))
    return states + self._output_dropout(change)

  def read_on(
    self, states: tf.Tensor, positions: tf.Tensor, held: key_value_cache.Held
  ) -> tuple[tf.Tensor, key_value_cache.Held]:
    """Returns the states of new tokens [B, Q, D], and what is then held.

    See `key_value_cache`.
    """
    normed = states
    if self.attention_norm is not None:
      normed = self.attention_norm(states)
    attended, held = self.attention.read_on(normed, positions, held)
    states += attended
    return states + self.feed_forward(self.feed_forward_norm(states)), held
