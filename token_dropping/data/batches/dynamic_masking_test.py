# SPDX-License-Identifier: Apache-2.0
"""Tests of the random numbers of a record; masking_test has the masks."""

import numpy as np
import tensorflow as tf

from token_dropping.data.batches import dynamic_masking

IDS = np.random.default_rng(0).integers(0, 30000, [64, 16])


def _keys(ids, seed=0, epoch=0) -> np.ndarray:
  return dynamic_masking.record_keys(tf.constant(ids), seed, epoch).numpy()


def _numbers(count: int, stream: int = 0, bits: int = 24) -> np.ndarray:
  return dynamic_masking.random_bits(
    tf.constant(_keys(IDS)), stream, tf.range(count)[None], bits
  ).numpy()


def test_hash_is_splitmix64():
  # The first outputs of the published generator for seed 0.
  counters = np.arange(1, 4, dtype=np.uint64)
  with np.errstate(over="ignore"):
    states = counters * np.uint64(dynamic_masking.GOLDEN)
    numbers = dynamic_masking._mix(states)
  assert [int(number) for number in numbers] == [
    0xE220A8397B1DCDAF,
    0x6E789E6AA1B965F4,
    0x06C45D188009454F,
  ]
  tensors = dynamic_masking._mix(tf.constant(states))
  np.testing.assert_array_equal(tensors, numbers)


def test_key_depends_on_record_and_epoch_but_not_on_the_batch():
  keys = _keys(IDS)
  np.testing.assert_array_equal(_keys(IDS[5:6]), keys[5:6])
  np.testing.assert_array_equal(_keys(IDS[::-1]), keys[::-1])
  np.testing.assert_array_equal(_keys(IDS.astype(np.int32)), keys)
  epochs = tf.constant([0, 1] * 32, tf.int64)
  expected = np.where(np.arange(64) % 2, _keys(IDS, epoch=1), keys)
  np.testing.assert_array_equal(_keys(IDS, epoch=epochs), expected)


def test_key_depends_on_everything():
  swapped, changed = IDS.copy(), IDS.copy()
  swapped[:, [3, 4]] = swapped[:, [4, 3]]
  changed[:, -1] += 1
  keys = [_keys(IDS), _keys(swapped), _keys(changed)]
  pairs = [(1, 0), (-1, 0), (0, 1), (1, 1)]
  keys += [_keys(IDS, seed, epoch) for seed, epoch in pairs]
  assert len(np.unique(keys)) == np.size(keys)


def test_numbers_are_uniform_and_use_their_bits():
  numbers = _numbers(2000) / 2**24
  assert numbers.min() >= 0 and numbers.max() < 1
  # 128,000 numbers: standard error of the mean 0.0008.
  np.testing.assert_allclose(numbers.mean(), 0.5, atol=0.004)
  counts = np.histogram(numbers, 16, (0, 1))[0]
  # 16 cells of 8,000: standard deviation 87.
  np.testing.assert_allclose(counts, 8000, atol=400)
  assert set(np.unique(_numbers(100, bits=2))) == {0, 1, 2, 3}
  assert _numbers(100, bits=31).min() >= 0


def test_records_counters_and_streams_are_independent():
  one, two = _numbers(2000).astype(float), _numbers(2000, stream=1)
  pairs = [(one, two), (one[:, 1:], one[:, :-1]), (one[1:], one[:-1])]
  for first, second in pairs:
    correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert abs(correlation) < 0.015  # standard error 0.003
