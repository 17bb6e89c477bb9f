# SPDX-License-Identifier: Apache-2.0
"""From the loss of a batch to a step: slices, gradients, loss scale."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras


def accumulate(
  step: Callable, batch: dict[str, tf.Tensor], count: int
) -> tuple:
  """Runs a step on `count` equal slices of a batch, for gradient accumulation.

  `step` returns a structure to sum, and a tensor to stack, [count, ...] (one
  slice: as it is). Variables are made in the first slice, which is computed on
  its own; the others are one loop, whatever their number, of static shapes.

  >>> total, rows = accumulate(
  ...   lambda part: (tf.reduce_sum(part["x"]), part["x"]),
  ...   {"x": tf.constant([1, 2, 3, 4])}, count=2)
  >>> int(total), rows.numpy().tolist()
  (10, [[1, 2], [3, 4]])
  """
  if count == 1:
    return step(batch)
  slices = {
    name: tf.reshape(tensor, [count, -1, *tensor.shape[1:]])
    for name, tensor in batch.items()
  }

  def run(index):
    return step({name: tensor[index] for name, tensor in slices.items()})

  def add(index, total, rows):
    more, row = run(index)
    total = tf.nest.map_structure(tf.add, total, more)
    return index + 1, total, rows.write(index, row)

  total, row = run(0)
  rows = tf.TensorArray(row.dtype, count, element_shape=row.shape)
  _, total, rows = tf.while_loop(
    lambda index, *_: index < count,
    add,
    (tf.constant(1), total, rows.write(0, row)),
    parallel_iterations=1,
    maximum_iterations=count - 1,
  )
  return total, rows.stack()


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
  """Returns the gradients that there are, all dense, by their place.

  Without sentence head the pooler has none. Of embeddings the head's share is
  dense anyway, and TPUs add no others.
  """
  return {
    index: tf.convert_to_tensor(gradient)
    for index, gradient in enumerate(gradients)
    if gradient is not None
  }


def norm(optimizer, gradients: dict[int, tf.Tensor]) -> tf.Tensor:
  """Returns the norm of all gradients together, or 0 with a loss scale.

  Keras leaves out a step whose gradients overflow, and lowers the scale.
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
