# SPDX-License-Identifier: Apache-2.0
"""Tests for masking."""

import numpy as np
import pytest

from token_dropping.common import vocabulary
from token_dropping.data.batches import masking

PAD, UNK, CLS, SEP, MASK = range(5)
SIZE = 1000


@pytest.fixture(scope="module")
def vocab():
  pieces = (f"w{i}" for i in range(SIZE - 5))
  return vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, *pieces))


@pytest.fixture(scope="module")
def word_ids():
  ids = np.random.default_rng(0).integers(5, SIZE, [500, 64])
  ids[:, 0], ids[:, 20], ids[:, -1] = CLS, UNK, SEP
  return ids.astype(np.int32)


@pytest.fixture(scope="module")
def masked(vocab, word_ids):
  masker = masking.Masker(vocab, 0.15, 12)
  return masker.mask(word_ids, np.random.default_rng(1))


def test_number_of_predictions(masked):
  # 61 maskable tokens: round(9.15) = 9.
  np.testing.assert_array_equal(masked.weights.sum(1), 9)
  np.testing.assert_array_equal(masked.weights[:, 9:], 0)


@pytest.mark.parametrize(
  ("rate", "slots", "tokens", "expected"),
  [(0.15, 2, 6, 1), (0.01, 5, 6, 1), (0.5, 2, 6, 2), (0.9, 9, 2, 2)],
)
def test_at_least_one_and_at_most_the_slots(
  vocab, rate, slots, tokens, expected
):
  ids = np.full([1, 12], PAD, np.int32)
  ids[0, 0], ids[0, 1 : 1 + tokens], ids[0, 1 + tokens] = CLS, 7, SEP
  result = masking.Masker(vocab, rate, slots).mask(
    ids, np.random.default_rng(0)
  )
  assert result.weights.shape == (1, slots)
  assert result.weights.sum() == expected


def test_nothing_to_mask(vocab):
  ids = np.array([[CLS, UNK, UNK, SEP]], np.int32)
  result = masking.Masker(vocab, 0.5, 2).mask(ids, np.random.default_rng(0))
  np.testing.assert_array_equal(result.word_ids, ids)
  np.testing.assert_array_equal(result.weights, 0)


def test_positions_ascend_and_unused_slots_are_zero(masked):
  assert np.all(np.diff(masked.positions[:, :9]) > 0)
  np.testing.assert_array_equal(masked.positions[:, 9:], 0)
  np.testing.assert_array_equal(masked.ids[:, 9:], 0)


def test_ids_are_the_hidden_tokens(masked, word_ids):
  used = masked.weights > 0
  hidden = np.take_along_axis(word_ids, masked.positions, 1)
  np.testing.assert_array_equal(masked.ids[used], hidden[used])


def test_other_positions_are_unchanged(masked, word_ids):
  restored = masked.word_ids.copy()
  rows, slots = np.nonzero(masked.weights)
  restored[rows, masked.positions[rows, slots]] = masked.ids[rows, slots]
  np.testing.assert_array_equal(restored, word_ids)


def test_special_tokens_are_neither_hidden_nor_drawn(masked):
  used = masked.weights > 0
  assert masked.ids[used].min() > MASK
  shown = np.take_along_axis(masked.word_ids, masked.positions, 1)[used]
  assert set(shown[shown < 5]) == {MASK}


def test_special_tokens_may_have_any_ids():
  vocab = vocabulary.Vocabulary(
    ("a", "[MASK]", "[SEP]", "b", "[CLS]", "[UNK]", "[PAD]")
  )
  ids = np.tile(np.array([[4, 0, 3, 0, 5, 2]], np.int32), [300, 1])
  result = masking.Masker(vocab, 0.9, 6).mask(ids, np.random.default_rng(0))
  shown = np.take_along_axis(result.word_ids, result.positions, 1)
  assert set(shown[result.weights > 0]) == {0, 1, 3}
  assert set(result.ids[result.weights > 0]) == {0, 3}


def test_eighty_ten_ten(masked):
  used = masked.weights > 0
  shown = np.take_along_axis(masked.word_ids, masked.positions, 1)[used]
  hidden = masked.ids[used]
  assert abs(np.mean(shown == MASK) - 0.8) < 0.02
  assert abs(np.mean(shown == hidden) - 0.1) < 0.02


def test_every_position_is_equally_likely(masked):
  counts = np.bincount(masked.positions[masked.weights > 0], minlength=64)
  expected = 500 * 9 / 61
  assert set(np.nonzero(counts == 0)[0]) == {0, 20, 63}
  assert np.all(np.abs(counts[counts > 0] - expected) < 5 * expected**0.5)


def test_same_seed_same_masks(vocab, word_ids, masked):
  masker = masking.Masker(vocab, 0.15, 12)
  again = masker.mask(word_ids, np.random.default_rng(1))
  other = masker.mask(word_ids, np.random.default_rng(2))
  np.testing.assert_array_equal(again.word_ids, masked.word_ids)
  assert np.any(other.positions != masked.positions)
