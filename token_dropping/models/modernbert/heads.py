# SPDX-License-Identifier: Apache-2.0
"""ModernBERT's heads for fine-tuning, as `transformers` has them."""

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from token_dropping.models import activations
from token_dropping.models.modernbert import transformer_layer


class PredictionHead(tf_keras.layers.Layer):
  """What fine-tuning puts on states [B, S, D]: numbers for each, [B, S, n].

  A matrix, GELU and a norm, as in the masked-LM head, then dropout and a matrix
  with a bias. Weights are new in fine-tuning.
  """

  def __init__(
    self,
    num_outputs: int,
    norm_eps: float,
    dropout_rate: float,
    initializer: str | tf_keras.initializers.Initializer,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self._num_outputs = num_outputs
    self._initializer = initializer
    self.layer_norm = transformer_layer.norm(norm_eps, "layer_norm")
    self._dropout = tf_keras.layers.Dropout(dropout_rate)

  def build(self, input_shape):
    self.dense = tf_keras.layers.Dense(
      input_shape[-1],
      activation=activations.gelu_exact,
      use_bias=False,
      kernel_initializer=tf_utils.clone_initializer(self._initializer),
      name="dense",
    )
    self.classifier = tf_keras.layers.Dense(
      self._num_outputs,
      kernel_initializer=tf_utils.clone_initializer(self._initializer),
      name="classifier",
    )
    super().build(input_shape)

  def call(self, states: tf.Tensor) -> tf.Tensor:
    return self.classifier(self._dropout(self.layer_norm(self.dense(states))))


class ClassificationHead(PredictionHead):
  """Gives the logits of classes, [B, n], of the state of `[CLS]`."""

  def call(self, states: tf.Tensor) -> tf.Tensor:
    return super().call(states[:, 0])


class SpanHead(PredictionHead):
  """Gives the logits of starts and of ends, each [B, S]."""

  def call(self, states: tf.Tensor) -> list[tf.Tensor]:
    return tf.unstack(super().call(states), num=2, axis=-1)
