# SPDX-License-Identifier: Apache-2.0
"""Dropout masks that are a function of seed, layer, replica and step.

Keras draws them from a counter inside the process, which begins anew with every
start. A run that was stopped and goes on would then differ from one that was
not.
"""

import tensorflow as tf
import tf_keras


class _StepDropout:
  """Stands for a layer's random generator.

  Args:
    step: int64 scalar variable, training steps done.
    seed: int.
    index: int, another one for every layer.
  """

  def __init__(self, step: tf.Variable, seed: int, index: int):
    self._step = step
    self._seed = seed
    self._index = index

  def _maybe_init(self) -> None:
    """Called by a layer that is built later; there is nothing to make."""

  def dropout(self, inputs, rate, noise_shape=None) -> tf.Tensor:
    """Drops a share of the inputs and scales the others up."""
    context = tf.distribute.get_replica_context()
    replica = context.replica_id_in_sync_group if context else 0
    seed = tf.constant([self._seed, self._index], tf.int32)
    for number in (replica, tf.cast(self._step, tf.int32)):
      seed = tf.random.experimental.stateless_fold_in(seed, number)
    return tf.nn.experimental.stateless_dropout(
      inputs, rate, seed, noise_shape=noise_shape, rng_alg="philox"
    )


def follow_step(model: tf_keras.Model, step: tf.Variable, seed: int) -> int:
  """Makes every dropout layer of a model draw its masks from the step.

  Args:
    model: with its layers made.
    step: int64 scalar variable, training steps done.
    seed: int; other masks for another one.

  Returns:
    How many layers there are.
  """
  layers = [
    layer
    for layer in model._flatten_layers()
    if isinstance(layer, tf_keras.layers.Dropout)
  ]
  for index, layer in enumerate(layers):
    layer._random_generator = _StepDropout(step, seed, index)
  return len(layers)
