# SPDX-License-Identifier: Apache-2.0
"""Seeds of random numbers that are a function of seed, step, replica and place.

Keras draws from a counter inside the process, which begins anew with every
start, so that a run that was stopped and goes on would differ from others.
"""

import tensorflow as tf


class StepSeed:
  """Makes the seeds of a training run, whose variable `step` counts steps done.

  Where it is `None` there is no trainer to follow, and every call makes another
  seed, from TensorFlow's generator.

  >>> seeds = StepSeed(tf.Variable(3), seed=1)
  >>> bool(tf.reduce_all(seeds.at(0) == seeds.at(0)))
  True
  >>> bool(tf.reduce_all(seeds.at(0) == seeds.at(1)))
  False
  """

  def __init__(self, step: tf.Variable | None = None, seed: int = 0):
    self._step = step
    self._seed = seed

  def at(self, place: int) -> tf.Tensor:
    """Returns the seed at this step and replica, int32 [2].

    Every layer of the model that draws is another place.
    """
    if self._step is None:
      return tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
    context = tf.distribute.get_replica_context()
    replica = context.replica_id_in_sync_group if context else 0
    seed = tf.constant([self._seed, place], tf.int32)
    for number in (replica, tf.cast(self._step, tf.int32)):
      seed = tf.random.experimental.stateless_fold_in(seed, number)
    return seed
