# SPDX-License-Identifier: Apache-2.0
"""Gradient accumulation: a batch in slices, one after the other."""

from collections.abc import Callable

import tensorflow as tf


def accumulate(
  step: Callable, batch: dict[str, tf.Tensor], count: int
) -> tuple:
  """Runs a step on equal slices of a batch.

  The first slice is computed on its own, since variables are made there; the
  others in one loop, whatever their number, with static shapes.

  Args:
    step: takes a slice; returns a structure of tensors to sum, and one tensor
      to stack.
    batch: tensors [B, ...].
    count: number of slices, a divisor of B.

  Returns:
    The summed structure, and the stacked tensor, [count, ...]; with one slice
    what `step` returned.

  Example:

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
