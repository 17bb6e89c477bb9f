# SPDX-License-Identifier: Apache-2.0
"""Random numbers that belong to a record, whatever batch it is in.

TensorFlow's stateless random functions take one seed for a whole tensor: a
record's numbers would depend on its row. Here number i of a record is a hash of
its key and i (SplitMix64: Steele, Lea and Flood, OOPSLA 2014).
Glossary: B batch, S sequence length.
"""

import numpy as np
import tensorflow as tf

GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: spreads out the counters


def record_keys(word_ids: tf.Tensor, seed: int, epoch: tf.Tensor) -> tf.Tensor:
  """Keys, [B] uint64, from seed, epoch (scalar or [B]) and content, [B, S]."""
  places = np.arange(1, word_ids.shape[1] + 1, dtype=np.uint64)
  with np.errstate(over="ignore"):
    factors = _mix(places * np.uint64(GOLDEN))
  content = tf.reduce_sum(tf.cast(word_ids, tf.uint64) * factors, axis=1)
  # The epoch goes through the hash with the seed, so that epoch 1 of seed 0
  # is not epoch 0 of seed 1.
  start = _mix(tf.constant(seed % 2**64, tf.uint64)) + tf.cast(epoch, tf.uint64)
  return _mix(content + _mix(start))


def random_bits(
  keys: tf.Tensor, stream: int, counters: tf.Tensor, bits: int
) -> tf.Tensor:
  """Returns uniform integers in [0, 2**bits), [B, n] int32, `bits` at most 31.

  `counters`, [B, n] or [1, n] from 0 on, choose from independent streams.
  """
  counters = tf.cast(counters, tf.uint64) + np.uint64((stream << 32) + 1)
  numbers = _mix(keys[:, None] + counters * np.uint64(GOLDEN))
  return tf.cast(_shift(numbers, 64 - bits), tf.int32)


def _mix(x):
  """Returns a bijection of uint64 in which every bit depends on all."""
  x = (x ^ _shift(x, 30)) * np.uint64(0xBF58476D1CE4E5B9)
  x = (x ^ _shift(x, 27)) * np.uint64(0x94D049BB133111EB)
  return x ^ _shift(x, 31)


def _shift(x, places: int):
  if isinstance(x, np.ndarray):
    return x >> np.uint64(places)
  return tf.bitwise.right_shift(x, np.uint64(places))
