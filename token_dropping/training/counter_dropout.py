# SPDX-License-Identifier: Apache-2.0
"""Dropout whose random numbers are a hash of their place and a seed.

A generator such as Philox writes its bits to memory, and the mask is kept for
the gradient. A hash costs a few instructions where the states are read anyway:
compiled, nothing is written, and the gradient makes the mask again (Salmon et
al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, on counters). The
function is lowbias32 (Wellons, "Prospecting for Hash Functions", 2018), with a
key in each of its rounds.
"""

import math

import tensorflow as tf

from token_dropping.models import barrier

_ROUNDS = ((16, 0x7FEB352D), (15, 0x846CA68B))
_LAST_SHIFT = 16


def dropout(
  inputs: tf.Tensor, rate: float, seed: tf.Tensor, noise_shape=None
) -> tf.Tensor:
  """Returns `inputs` with a share `rate` of them 0, the others scaled up.

  `seed` is int32 [2]. `noise_shape`, of dimensions that are those of `inputs`
  or 1, has one random number for all values along the latter. Places repeat
  after 2^32 values.
  """
  shape = _shape_of(inputs) if noise_shape is None else list(noise_shape)
  # The numbers lie in [0, 2^32).
  least = tf.constant(round(rate * 2**32), tf.uint32)

  @tf.custom_gradient
  def drop(values: tf.Tensor, seed: tf.Tensor):
    def masked(values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
      kept = random_bits(shape, seed) >= least
      scale = tf.cast(1.0 / (1.0 - rate), values.dtype)
      return tf.where(kept, values * scale, tf.zeros([], values.dtype))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
      # Or XLA would see that the numbers are the same, and keep the masks of
      # all layers' attention. Those of states it makes again by itself.
      own_seed = barrier.apart(seed) if len(shape) > 3 else seed
      return masked(upstream, own_seed), None

    return masked(values, seed), gradient

  return drop(inputs, seed)


def random_bits(shape: list, seed: tf.Tensor) -> tf.Tensor:
  """Returns uint32 of a shape, of numbers or scalar tensors, for a seed."""
  parts = tf.bitcast(seed, tf.uint32)
  # Seeds of one layer differ by little from step to step.
  start = _hash(_hash(parts[0]) + parts[1])
  # It comes first: a sum of ranges alone would be a constant as large as the
  # states.
  places = start
  for axis, size in enumerate(shape):
    stride = math.prod(shape[axis + 1 :])
    rows = tf.cast(tf.range(size), tf.uint32) * tf.cast(stride, tf.uint32)
    places += tf.reshape(rows, [-1] + [1] * (len(shape) - 1 - axis))
  # The second key keeps apart what begins at other places of one sequence.
  return _hash(places, _hash(start + parts[0]))


def _hash(bits: tf.Tensor, key: tf.Tensor | int = 0) -> tf.Tensor:
  for shift, factor in _ROUNDS:
    bits = _fold(bits, shift) * tf.constant(factor, tf.uint32)
    bits += tf.cast(key, tf.uint32)
  return _fold(bits, _LAST_SHIFT)


def _fold(bits: tf.Tensor, shift: int) -> tf.Tensor:
  higher = tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32))
  return tf.bitwise.bitwise_xor(bits, higher)


def _shape_of(inputs: tf.Tensor) -> list:
  dynamic = tf.shape(inputs)
  return [
    dynamic[axis] if size is None else size
    for axis, size in enumerate(inputs.shape)
  ]
