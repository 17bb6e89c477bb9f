# SPDX-License-Identifier: Apache-2.0
"""Tests of masking, when records are made and in the input pipeline."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from token_dropping.common import vocabulary
from token_dropping.data.batches import dynamic_masking
from token_dropping.data.batches import masking
from token_dropping.data.batches import pretrain_data

PAD, UNK, CLS, SEP, MASK = SPECIAL = range(5)
SIZE = 1000
N, S, P = 3000, 64, 12
VOCAB = vocabulary.Vocabulary(
  (*vocabulary.SPECIAL_TOKENS, *(f"w{i}" for i in range(SIZE - 5)))
)
UNITS = dynamic_masking.UNITS


def _text() -> tuple[np.ndarray, np.ndarray]:
  """Returns ids and word starts: [CLS] 19 [UNK] 36 [SEP] and 6 of padding."""
  rng = np.random.default_rng(0)
  ids = rng.integers(5, SIZE, [N, S])
  starts = (rng.random([N, S]) < 0.6).astype(np.int64)
  for column, token in ((0, CLS), (20, UNK), (57, SEP)):
    ids[:, column], starts[:, column] = token, 0
  starts[:, [1, 21]] = 1
  ids[:, 58:], starts[:, 58:] = PAD, 0
  return ids, starts


IDS, STARTS = _text()
MASKABLE = ~np.isin(IDS, SPECIAL)


def _masker(unit="token", slots=P, **fields) -> dynamic_masking.DynamicMasker:
  fields |= {"masking_unit": unit, "max_predictions_per_seq": slots}
  data = pretrain_data.PretrainDataConfig(**fields)
  return dynamic_masking.DynamicMasker(VOCAB, data)


def _mask(
  ids=IDS, starts=STARTS, rate=0.15, epoch=0, types=None, **settings
) -> dict[str, np.ndarray]:
  ids, starts = tf.constant(ids), tf.constant(starts)
  batch = _masker(**settings).mask(ids, starts, rate, epoch, types)
  return {name: tensor.numpy() for name, tensor in batch.items()}


def _mask_once(ids=IDS, rate=0.15, slots=P, seed=0, vocab=VOCAB) -> dict:
  """Masks as it is done when records are made."""
  masker = masking.Masker(vocab, rate, slots)
  masked = masker.mask(ids.astype(np.int32), np.random.default_rng(seed))
  return {
    "input_word_ids": masked.word_ids,
    "masked_lm_positions": masked.positions,
    "masked_lm_ids": masked.ids,
    "masked_lm_weights": masked.weights,
  }


def _chosen(batch: dict) -> np.ndarray:
  """Returns [n, S] bool, True where a token is predicted."""
  chosen = np.zeros(batch["input_word_ids"].shape, bool)
  rows, slots = np.nonzero(batch["masked_lm_weights"])
  chosen[rows, batch["masked_lm_positions"][rows, slots]] = True
  return chosen


def _splits_a_word(chosen: np.ndarray) -> bool:
  """Whether a word of the text is chosen in part."""
  words = np.where(MASKABLE, np.cumsum(STARTS, axis=1), 0)
  rows = zip(chosen, words, strict=True)
  return any(set(word[row]) & set(word[~row]) for row, word in rows)


@functools.cache
def _batch(kind: str) -> dict[str, np.ndarray]:
  """Returns the text masked by a unit, or as when records are made."""
  return _mask_once() if kind == "static" else _mask(unit=kind)


every_kind = pytest.mark.parametrize("kind", ["static", *UNITS])
every_unit = pytest.mark.parametrize("unit", UNITS)


# What both maskers and every unit have in common.


@every_kind
def test_predictions_are_what_was_hidden_in_the_order_of_their_places(kind):
  batch = _batch(kind)
  ids, positions = batch["input_word_ids"].copy(), batch["masked_lm_positions"]
  used = batch["masked_lm_weights"] > 0
  assert (np.diff(used.astype(int), axis=1) <= 0).all()  # used ones first
  assert (np.diff(positions, axis=1)[used[:, 1:]] > 0).all()
  assert not positions[~used].any() and not batch["masked_lm_ids"][~used].any()
  assert not np.isin(batch["masked_lm_ids"][used], SPECIAL).any()
  assert not np.isin(ids[ids != IDS], [PAD, UNK, CLS, SEP]).any()
  ids[np.nonzero(used)[0], positions[used]] = batch["masked_lm_ids"][used]
  np.testing.assert_array_equal(ids, IDS)


@every_kind
def test_shares_of_mask_random_and_same(kind):
  batch = _batch(kind)
  chosen = _chosen(batch)
  before, after = IDS[chosen], batch["input_word_ids"][chosen]
  assert chosen.sum() > 23_000
  masked, same = after == MASK, after == before
  # Standard errors: 0.0026 and 0.002; a random token may be the same one.
  np.testing.assert_allclose(masked.mean(), 0.8, atol=0.01)
  np.testing.assert_allclose(same.mean(), 0.1, atol=0.008)
  drawn = after[~masked & ~same]
  np.testing.assert_allclose(drawn.mean(), 5 + (SIZE - 5) / 2, atol=25)
  assert len(np.unique(drawn)) > 850
  np.testing.assert_array_equal(batch["input_word_ids"][~chosen], IDS[~chosen])


@pytest.mark.parametrize(
  ("mask_share", "random_share"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
)
def test_shares_are_parameters(mask_share, random_share):
  batch = _mask(mask_share=mask_share, random_share=random_share)
  chosen = _chosen(batch)
  after = batch["input_word_ids"][chosen]
  assert (after == MASK).mean() == mask_share
  changed = (after != IDS[chosen]) & (after != MASK)
  np.testing.assert_allclose(changed.mean(), random_share, atol=0.002)


@every_kind
def test_every_token_is_chosen_as_often_as_the_others(kind):
  share = _chosen(_batch(kind))[:, MASKABLE[0]].mean(0)
  # 3,000 sequences, 8 of 55 tokens: standard error 0.0064.
  np.testing.assert_allclose(share, 8 / 55, atol=0.035)


@every_unit
def test_mask_and_types(unit):
  np.testing.assert_array_equal(_batch(unit)["input_mask"], IDS != PAD)
  assert not _batch(unit)["input_type_ids"].any()
  types = np.tile(np.arange(S) > 20, [9, 1]).astype(np.int64)
  batch = _mask(IDS[:9], STARTS[:9], unit=unit, types=types)
  np.testing.assert_array_equal(batch["input_type_ids"], types)


@every_kind
def test_sequence_of_special_tokens_has_no_prediction(kind):
  ids = np.array([[CLS, UNK, MASK, SEP, PAD]])
  batch = _mask_once(ids, slots=2)
  if kind != "static":
    batch = _mask(ids, np.zeros_like(ids), unit=kind, slots=2)
  np.testing.assert_array_equal(batch["input_word_ids"], ids)
  assert batch["masked_lm_weights"].tolist() == [[0.0, 0.0]]
  assert batch["masked_lm_positions"].tolist() == [[0, 0]]


def test_special_tokens_may_have_any_ids():
  tokens = ("a", "[MASK]", "[SEP]", "b", "[CLS]", "[UNK]", "[PAD]")
  ids = np.tile([[4, 0, 3, 0, 5, 2]], [300, 1])
  vocab = vocabulary.Vocabulary(tokens)
  batch = _mask_once(ids, rate=0.9, slots=6, vocab=vocab)
  used = batch["masked_lm_weights"] > 0
  positions = batch["masked_lm_positions"]
  shown = np.take_along_axis(batch["input_word_ids"], positions, 1)
  assert set(shown[used]) == {0, 1, 3}
  assert set(batch["masked_lm_ids"][used]) == {0, 3}


# Which masks a record has.


def test_masks_of_records_that_are_made_are_a_function_of_the_generator():
  one, two = _mask_once(seed=1), _mask_once(seed=1)
  tf.nest.map_structure(np.testing.assert_array_equal, one, two)
  other = _mask_once(seed=2)
  assert (one["masked_lm_positions"] != other["masked_lm_positions"]).any()


@every_unit
def test_neither_order_nor_batch_changes_the_masks(unit):
  order = np.random.default_rng(1).permutation(N)
  shuffled = _mask(IDS[order], STARTS[order], unit=unit)
  alone = _mask(IDS[7:8], STARTS[7:8], unit=unit)
  for name, values in _batch(unit).items():
    np.testing.assert_array_equal(shuffled[name], values[order])
    np.testing.assert_array_equal(alone[name], values[7:8])


@every_unit
def test_epochs_and_seeds_differ(unit):
  one = _batch(unit)
  other_epoch = _mask(unit=unit, epoch=1)
  for two in (other_epoch, _mask(unit=unit, masking_seed=1)):
    both = _chosen(one) & _chosen(two)
    # What chance gives: 8 of 55 again.
    share = both.sum() / _chosen(one).sum()
    np.testing.assert_allclose(share, 8 / 55, atol=0.02)
    assert (_chosen(one) != _chosen(two)).any(1).mean() > 0.99
  # The records of a batch may be of several epochs.
  mixed = _mask(unit=unit, epoch=tf.constant(np.arange(N) % 2))
  for name, values in mixed.items():
    np.testing.assert_array_equal(values[::2], one[name][::2])
    np.testing.assert_array_equal(values[1::2], other_epoch[name][1::2])


def test_a_lower_rate_chooses_some_of_the_same_tokens():
  more, fewer = _chosen(_mask(rate=0.2)), _chosen(_mask(rate=tf.constant(0.1)))
  assert (more | ~fewer).all()
  np.testing.assert_array_equal(fewer.sum(1), 6)  # 5.5


# How many.


@pytest.mark.parametrize(
  ("rate", "slots", "tokens", "expected"),
  [(0.15, 2, 6, 1), (0.01, 5, 6, 1), (0.5, 2, 6, 2), (0.9, 9, 2, 2)],
)
@every_kind
def test_at_least_one_and_at_most_the_slots(
  kind, rate, slots, tokens, expected
):
  ids = np.full([1, 12], PAD)
  ids[0, 0], ids[0, 1 : 1 + tokens], ids[0, 1 + tokens] = CLS, 7, SEP
  batch = _mask_once(ids, rate, slots)
  if kind != "static":
    batch = _mask(ids, (ids == 7).astype(int), rate, unit=kind, slots=slots)
  assert batch["masked_lm_weights"].shape == (1, slots)
  assert batch["masked_lm_weights"].sum() == expected


@every_kind
def test_number_of_tokens(kind):
  # round(0.15 * 55) = round(8.25) = 8; words fill it nearly always.
  numbers = _chosen(_batch(kind)).sum(1)
  assert set(numbers) <= {6, 7, 8}
  assert (numbers == 8).mean() >= (1 if kind in ("static", "token") else 0.98)


# Whole words.

WHOLE = {(1, 2, 3), (4, 5, 6), (7, 8, 9)}


@pytest.mark.parametrize("unit", ["whole_word", "span"])
@pytest.mark.parametrize(("rate", "slots"), [(0.15, 12), (0.4, 12), (0.4, 30)])
def test_no_word_is_split(unit, rate, slots):
  batch = _mask(unit=unit, rate=rate, slots=slots)
  # With so many words there is always one that fits.
  assert not _splits_a_word(_chosen(batch))


@pytest.mark.parametrize(
  ("ids", "starts", "rate", "slots", "expected"),
  [
    # Words of 3 and 1 pieces; round(0.25 * 4) = 1: the first is passed over.
    ([CLS, 7, 8, 9, 10, SEP], "010010", 0.25, 3, {(4, 0, 0)}),
    # Two words of 3; round(0.3 * 6) = 2: none fits, two pieces of one of them.
    ([CLS, *range(7, 13)], "0100100", 0.3, 2, {(1, 2), (4, 5)}),
    # A piece after [CLS] or [UNK] starts a word; round(0.5 * 3) = 2: the first,
    # of two pieces, or the other and nothing more.
    ([CLS, 7, 8, UNK, 9, SEP], "000100", 0.5, 2, {(1, 2), (4, 0)}),
    # Of 6 candidates for 3 slots, the second word may be cut off: not taken.
    ([CLS, *range(7, 16), SEP], "01001001000", 0.9, 3, WHOLE),
  ],
)
def test_words_are_taken_as_long_as_they_fit(
  ids, starts, rate, slots, expected
):
  starts = [int(start) for start in starts]
  sequence = np.array([ids] * 20), np.array([starts] * 20)
  fields = {"unit": "whole_word", "slots": slots}
  batch = _mask(*sequence, rate, epoch=tf.range(20), **fields)
  assert set(map(tuple, batch["masked_lm_positions"].tolist())) == expected


# Spans.


def _runs(chosen: np.ndarray) -> list[int]:
  """Returns the lengths of the runs of chosen tokens."""
  edges = np.diff(np.pad(chosen.astype(int), [(0, 0), (1, 1)]), axis=1)
  return (np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]).tolist()


def test_spans_are_runs_of_words():
  runs = {
    unit: np.mean(_runs(_chosen(_mask(unit=unit, starts=MASKABLE * 1))))
    for unit in ("whole_word", "span")
  }
  # Words of one piece. Alone, neighbours are rare; spans of 1, 2 or 3 words
  # have 2 on average, less what the last one is cut by.
  assert 1.1 < runs["whole_word"] < 1.25
  assert 1.8 < runs["span"] < 2.4


def test_spans_of_one_word_are_whole_words():
  one, two = _mask(unit="span", max_span_words=1), _batch("whole_word")
  tf.nest.map_structure(np.testing.assert_array_equal, one, two)


def test_one_span_is_contiguous_and_at_most_the_longest():
  # 20 words of one piece, 3 to predict: one span, or parts of up to 3 spans.
  ids = np.concatenate([[CLS], np.arange(7, 27), [SEP]])[None].repeat(400, 0)
  ids[:, 1] = 30 + np.arange(400)  # different records
  starts = (ids > 4).astype(int)
  chosen = _chosen(_mask(ids, starts, unit="span", slots=3))
  assert (chosen.sum(1) == 3).all()
  number_of_runs = np.array([len(_runs(row[None])) for row in chosen])
  # A first span of 3 words: 1 in 3; or 2 and 1 or 1 and 2 that touch.
  assert 0.33 < (number_of_runs == 1).mean() < 0.55
  assert set(number_of_runs) == {1, 2, 3}


def test_spans_do_not_cross_special_tokens():
  masker = _masker("span")
  starts = tf.constant([[True, True, False, True, True]])
  maskable = tf.constant([[True, True, False, True, True]])
  numbers = masker._word_numbers(starts, maskable).numpy()[0]
  # Spans reach 2 words back: none reaches from word 3 to word 1.
  assert numbers[3] - numbers[1] > 2
  assert numbers[1] - numbers[0] == numbers[4] - numbers[3] == 1
