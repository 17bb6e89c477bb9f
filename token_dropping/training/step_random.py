# SPDX-License-Identifier: Apache-2.0
"""Makes all that a model draws follow the step, also in a resumed run."""

import tensorflow as tf
import tf_keras

from token_dropping.dropping.importance import step_seed
from token_dropping.training import counter_dropout


class _StepDropout:
  """Stands for the random generator of a layer, told by its index."""

  def __init__(self, seeds: step_seed.StepSeed, index: int):
    self._seeds = seeds
    self._index = index

  def _maybe_init(self) -> None:
    """Called by a layer that is built later; there is nothing to make."""

  def dropout(self, inputs, rate, noise_shape=None) -> tf.Tensor:
    seed = self._seeds.at(self._index)
    return counter_dropout.dropout(inputs, rate, seed, noise_shape)


def follow_step(model: tf_keras.Model, step: tf.Variable, seed: int) -> int:
  """Makes a built model draw from a seed and the steps done, a scalar int64.

  What chooses tokens does so by lots of its own, each of several in a network.
  Returns how many dropout layers there are.
  """
  seeds = step_seed.StepSeed(step, seed)
  index = stream = 0
  for layer in model._flatten_layers():
    if isinstance(layer, tf_keras.layers.Dropout):
      layer._random_generator = _StepDropout(seeds, index)
      index += 1
    elif hasattr(layer, "importance_scorer"):
      layer.importance_scorer.seeds = step_seed.StepSeed(step, seed, stream)
      stream += 1
  return index
