# SPDX-License-Identifier: Apache-2.0
"""Tests of the four ways to pack documents."""

import numpy as np
import pytest

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import packing
from token_dropping.data.text import wordpiece

SPECIAL = {token: i for i, token in enumerate(vocabulary.SPECIAL_TOKENS)}
PAD, CLS, SEP = 0, 2, 3
LENGTH = 32


def _document(*sentences):
  lengths = [len(sentence) for sentence in sentences]
  return wordpiece.EncodedDocument(
    ids=np.concatenate(sentences).astype(np.int32),
    offsets=np.cumsum([0, *lengths]).astype(np.int32),
  )


@pytest.mark.parametrize(
  "pack", [packing.pack_full, packing.pack_documents, packing.pack_best_fit]
)
def test_nothing_to_pack(pack):
  packed = pack([], 8, SPECIAL)
  assert packed.word_ids.shape == (0, 8)
  assert packed.padding == packed.truncated_tokens == 0


def test_pair_features():
  packed = packing.Packed(
    word_ids=np.zeros([2, 6], np.int32),
    lengths=np.array([6, 5], np.int32),
    first_lengths=np.array([4, 3], np.int32),
    next_sentence_labels=np.array([1, 0], np.int32),
    dropped_tokens=0,
    truncated_tokens=0,
  )
  rows = np.array([1])
  np.testing.assert_array_equal(packed.input_mask(rows), [[1, 1, 1, 1, 1, 0]])
  np.testing.assert_array_equal(packed.type_ids(rows), [[0, 0, 0, 1, 1, 0]])
  labels = packed.labels(rows)
  np.testing.assert_array_equal(labels["next_sentence_labels"], [[0]])
  assert packed.padding == 1


# Full sequences.


def test_full_sequences_cross_documents():
  documents = [_document([10, 11], [12]), _document([20, 21, 22, 23, 24, 25])]
  packed = packing.pack_full(documents, 6, SPECIAL)
  np.testing.assert_array_equal(
    packed.word_ids, [[CLS, 10, 11, 12, SEP, SEP], [CLS, 20, 21, 22, 23, SEP]]
  )
  assert packed.word_ids.dtype == np.int32
  assert packed.dropped_tokens == 2  # 24 and 25


def test_separators_are_not_dropped_tokens():
  packed = packing.pack_full([_document([10]), _document([20])], 8, SPECIAL)
  assert len(packed) == 0
  assert packed.dropped_tokens == 2


def test_full_features():
  packed = packing.pack_full([_document([10, 11, 12, 13])], 4, SPECIAL)
  rows = np.array([1, 0, 1])
  assert packed.labels(rows) == {}
  assert packed.padding == 0
  np.testing.assert_array_equal(packed.input_mask(rows), np.ones([3, 4]))
  np.testing.assert_array_equal(packed.type_ids(rows), np.zeros([3, 4]))


def test_truncated_tokens_of_full_sequences():
  # | 10 11 SEP 20 | 21 22 23 SEP | 30: the second document is cut once.
  documents = [_document([10, 11]), _document([20, 21, 22, 23])]
  packed = packing.pack_full([*documents, _document([30])], 6, SPECIAL)
  assert (len(packed), packed.truncated_tokens) == (2, 3)
  assert packed.dropped_tokens == 1


# One document a sequence, or several.


def test_documents_are_cut_and_padded():
  documents = [_document([10, 11], [12, 13, 14]), _document([20])]
  packed = packing.pack_documents(documents, 6, SPECIAL)
  np.testing.assert_array_equal(
    packed.word_ids,
    [
      [CLS, 10, 11, 12, 13, SEP],
      [CLS, 14, SEP, PAD, PAD, PAD],
      [CLS, 20, SEP, PAD, PAD, PAD],
    ],
  )
  np.testing.assert_array_equal(packed.lengths, [6, 3, 3])
  assert packed.padding == 6
  assert (packed.truncated_tokens, packed.dropped_tokens) == (1, 0)


def test_documents_share_sequences():
  documents = [_document([10]), _document([20, 21, 22]), _document([30, 31])]
  packed = packing.pack_best_fit(documents, 7, SPECIAL)
  np.testing.assert_array_equal(
    packed.word_ids,
    [[CLS, 20, 21, 22, SEP, 10, SEP], [CLS, 30, 31, SEP, PAD, PAD, PAD]],
  )
  assert (packed.truncated_tokens, packed.padding) == (0, 3)


def test_only_long_documents_are_cut():
  documents = [_document(range(10, 19)), _document([20, 21])]
  packed = packing.pack_best_fit(documents, 8, SPECIAL)
  np.testing.assert_array_equal(
    packed.word_ids,
    [[CLS, *range(10, 16), SEP], [CLS, 16, 17, 18, SEP, 20, 21, SEP]],
  )
  assert packed.truncated_tokens == 3


def test_every_part_is_in_one_bin_that_holds_it():
  lengths = np.random.default_rng(0).integers(1, 101, 500)
  bins = packing.fill_bins(lengths.tolist(), 100)
  assert sorted(i for members in bins for i in members) == list(range(500))
  for members in bins:
    assert sum(lengths[members]) + len(members) - 1 <= 100
  # 1.1 of what no packing can beat.
  assert len(bins) < 1.1 * (sum(lengths) + 500) / 101


def test_the_bin_with_least_room_is_chosen():
  assert packing.fill_bins([6, 7, 2], 10) == [[1, 2], [0]]


# Pairs.


@pytest.fixture(scope="module")
def documents():
  """20 documents of 30 sentences; an id says where it stands."""
  rng = np.random.default_rng(0)
  result = []
  for index in range(20):
    offsets = np.cumsum([0, *rng.integers(1, 9, 30)]).astype(np.int32)
    ids = np.arange(offsets[-1], dtype=np.int32) + 1000 * (index + 1)
    result.append(wordpiece.EncodedDocument(ids, offsets))
  return result


def _pack_pairs(documents, seed, length=LENGTH):
  rng = np.random.default_rng(seed)
  return packing.pack_pairs(documents, length, SPECIAL, rng)


@pytest.fixture(scope="module")
def packed(documents):
  return _pack_pairs(documents, 1)


def _spans(packed):
  ends = zip(packed.first_lengths, packed.lengths, strict=True)
  for row, (first, end) in zip(packed.word_ids, ends, strict=True):
    yield row[1 : first - 1], row[first : end - 1]


def test_layout(packed):
  for row, first, length in zip(
    packed.word_ids, packed.first_lengths, packed.lengths, strict=True
  ):
    assert row[0] == CLS
    assert row[first - 1] == row[length - 1] == SEP
    assert np.sum(row < 5) == 3 + LENGTH - length  # and padding is id 0
    np.testing.assert_array_equal(row[length:], 0)


def test_label_0_follows_and_label_1_is_another_document(packed):
  labels = packed.next_sentence_labels
  for (first, second), label in zip(_spans(packed), labels, strict=True):
    assert len(first) and len(second)
    assert (first[0] // 1000 != second[0] // 1000) == label
    # Spans are runs of text; between A and B truncation may leave a gap.
    for span in (first, second):
      np.testing.assert_array_equal(np.diff(span), 1)
    assert label or second[0] > first[-1]


def test_half_of_the_pairs_are_random_and_most_are_long(packed):
  assert 0.4 < packed.next_sentence_labels.mean() < 0.6
  full = np.mean(packed.lengths == LENGTH)
  assert 0.7 < full < 0.97  # the ends of documents and one in ten are shorter


def test_only_truncation_drops_text(documents, packed):
  seen = set(np.unique(packed.word_ids))
  everything = {int(i) for document in documents for i in document.ids}
  missing = everything - seen
  assert 0 < len(missing) <= packed.dropped_tokens


def test_same_seed_same_pairs(documents, packed):
  again = _pack_pairs(documents, 1)
  np.testing.assert_array_equal(again.word_ids, packed.word_ids)


def test_single_long_sentences():
  document = _document(range(10, 110))
  packed = _pack_pairs([document, document], 0, 8)
  np.testing.assert_array_equal(packed.next_sentence_labels, [1, 1])
  np.testing.assert_array_equal(packed.lengths, [8, 8])
  assert packed.dropped_tokens == 2 * 200 - 2 * 5


def test_a_document_without_another_makes_no_pair():
  packed = _pack_pairs([_document([10, 11], [12])], 0, 8)
  assert packed.word_ids.shape == (0, 8)
  assert (packed.dropped_tokens, packed.truncated_tokens) == (3, 0)


@pytest.mark.parametrize(
  ("first", "second", "room", "expected"),
  [
    (3, 4, 7, (3, 4)),
    (3, 4, 6, (3, 3)),
    (2, 9, 6, (2, 4)),
    (9, 2, 6, (4, 2)),
    (9, 9, 5, (3, 2)),
    (9, 3, 5, (3, 2)),
  ],
)
def test_the_longer_span_is_truncated(first, second, room, expected):
  rng = np.random.default_rng(0)
  spans = packing.truncate(np.arange(first), np.arange(second), room, rng)
  assert tuple(len(span) for span in spans) == expected


def test_truncation_cuts_both_ends():
  rng = np.random.default_rng(0)
  spans = [
    packing.truncate(np.arange(2), np.arange(50), 12, rng)[1]
    for _ in range(200)
  ]
  starts = np.array([span[0] for span in spans])
  assert all(len(span) == 10 for span in spans)
  assert 18 < starts.mean() < 22  # half of the 40 tokens lost
