# SPDX-License-Identifier: Apache-2.0
"""Several training steps in one compiled call.

A call is handed every variable of model, optimizer and metrics, which takes the
host milliseconds, whatever the steps compute. One program here runs as many
steps as it is told, so that their numbers do not depend on how they are cut
into calls.
"""

from collections.abc import Callable

import tensorflow as tf

MOST_STEPS = 16  # hardly anything is left to gain beyond: see docs/speed.md
_SECONDS = 1.0  # of a call, which a stop request waits for


def choose(step_seconds: float | None) -> int:
  """Returns how many steps take a second; 1 where that is not known.

  >>> [choose(seconds) for seconds in (1.9, 0.2, 0.001, None)]
  [1, 5, 16, 1]
  """
  steps = int(_SECONDS / step_seconds) if step_seconds else 1
  return max(1, min(steps, MOST_STEPS))


def take(next_batch: Callable, count: tf.Tensor, size: int):
  """Takes `count` batches, at least one; returns them stacked, [size, ...].

  They must be of one shape. Behind the last are zeros.
  """
  first = next_batch()
  arrays = [
    tf.TensorArray(part.dtype, size, element_shape=part.shape).write(0, part)
    for part in tf.nest.flatten(first)
  ]

  def take_one(index, arrays):
    pairs = zip(arrays, tf.nest.flatten(next_batch()), strict=True)
    return index + 1, [array.write(index, part) for array, part in pairs]

  _, arrays = tf.while_loop(
    lambda index, _: index < count, take_one, (tf.constant(1), arrays)
  )
  stacked = [array.stack() for array in arrays]
  return tf.nest.pack_sequence_as(first, stacked)


def run(step: Callable, batches, count: tf.Tensor) -> None:
  """Runs `step` on the first `count` of stacked batches."""

  def run_one(index):
    # Not `part[index]`: XLA compiles a slice anew for every place.
    batch = tf.nest.map_structure(lambda part: tf.gather(part, index), batches)
    with tf.name_scope(""):  # no "while/" before the names of variables
      step(batch)
    return [index + 1]

  tf.while_loop(lambda index: index < count, run_one, [tf.constant(0)])
