# SPDX-License-Identifier: Apache-2.0
"""From a loss to an optimizer's step, with and without a loss scale."""

import tensorflow as tf
import tf_keras


def scaled(optimizer, objective: tf.Tensor) -> tf.Tensor:
  """Multiplies by the loss scale, where float16 needs one."""
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    return optimizer.get_scaled_loss(objective)
  return objective


def steps_done(optimizer) -> tf.Variable:
  """Returns the counter of an optimizer's steps, an int64 scalar."""
  with tf.init_scope():  # as optimizers do: reading it may make it
    return optimizer.iterations


def dense(gradients: list) -> dict[int, tf.Tensor]:
  """Returns the gradients that there are, by their place.

  Without a sentence head nothing reads the pooler: it has none. Those of
  embeddings become dense, since the head's share of them is, and TPUs add no
  others.
  """
  return {
    index: tf.convert_to_tensor(gradient)
    for index, gradient in enumerate(gradients)
    if gradient is not None
  }


def norm(optimizer, gradients: dict[int, tf.Tensor]) -> tf.Tensor:
  """Returns the norm of all gradients together.

  With a loss scale it is 0: Keras leaves out a step whose gradients overflow,
  and lowers the scale.
  """
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    return tf.constant(0.0)
  return tf.linalg.global_norm(list(gradients.values()))


def apply(optimizer, gradients: dict[int, tf.Tensor], variables) -> None:
  """Moves the variables that have a gradient, by their place."""
  values = list(gradients.values())
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    values = optimizer.get_unscaled_gradients(values)
  moved = [variables[index] for index in gradients]
  optimizer.apply_gradients(list(zip(values, moved, strict=True)))
