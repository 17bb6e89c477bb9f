# SPDX-License-Identifier: Apache-2.0
"""Random seeds that depend on seed, step, replica and place alone.

Keras draws from a counter that begins anew with every start of the process: a
run that was stopped and goes on would differ from one that was not.
"""

import numpy as np
import tensorflow as tf


class StepSeed:
  """Makes the seeds of a run; `step`, a variable, counts its steps done.

  Without it every call makes another seed, from TensorFlow's generator. Another
  `stream` of the same run has other seeds at the same places.

  >>> seeds = StepSeed(tf.Variable(3), seed=1)
  >>> bool(tf.reduce_all(seeds.at(0) == seeds.at(0)))
  True
  >>> bool(tf.reduce_all(seeds.at(0) == seeds.at(1)))
  False
  """

  def __init__(
    self, step: tf.Variable | None = None, seed: int = 0, stream: int = 0
  ):
    self._step = step
    self._seed = seed
    self._stream = stream

  def at(self, place: int) -> tf.Tensor:
    """Returns the seed, int32 [2], of a layer at this step and replica."""
    if self._step is None:
      return tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
    context = tf.distribute.get_replica_context()
    replica = context.replica_id_in_sync_group if context else 0
    seed = tf.constant([self._seed, place], tf.int32)
    numbers = [replica, tf.cast(self._step, tf.int32)]
    if self._stream:  # the first has the seeds of runs from before there were
      numbers.append(self._stream)
    for number in numbers:
      seed = tf.random.experimental.stateless_fold_in(seed, number)
    return seed

  def uniform(self, shape, place: int) -> tf.Tensor:
    """Returns random numbers in (0, 1) of a shape, those of a place."""
    least = np.finfo(np.float32).tiny
    return tf.random.stateless_uniform(
      shape, self.at(place), least, alg="philox"
    )
