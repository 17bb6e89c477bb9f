# SPDX-License-Identifier: Apache-2.0
"""Tests of the four ways to pack documents."""

import numpy as np
import pytest

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import packing

SPECIAL = {token: i for i, token in enumerate(vocabulary.SPECIAL_TOKENS)}
PAD, CLS, SEP = 0, 2, 3
LENGTH = 32


def _document(*sentences):
  lengths = [len(sentence) for sentence in sentences]
  return packing.Document(
    ids=np.concatenate(sentences).astype(np.int32),
    offsets=np.cumsum([0, *lengths]).astype(np.int32),
  )


def _pack(kind, documents, seq_length, seed=0):
  rng = np.random.default_rng(seed)
  return packing.pack(kind, documents, seq_length, SPECIAL, rng)


@pytest.mark.parametrize("kind", ["full", "documents", "best-fit", "pairs"])
def test_nothing_to_pack(kind):
  packed = _pack(kind, [], 8)
  assert packed.word_ids.shape == (0, 8)
  assert packed.padding == packed.truncated_tokens == 0


def test_pair_features():
  packed = packing.Packed(
    word_ids=np.zeros([2, 6], np.int32),
    lengths=np.array([6, 5], np.int32),
    first_lengths=np.array([4, 3], np.int32),
    truncated_tokens=0,
    next_sentence_labels=np.array([1, 0], np.int32),
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
  packed = _pack("full", documents, 6)
  assert packed.word_ids.tolist() == (
    [[CLS, 10, 11, 12, SEP, SEP], [CLS, 20, 21, 22, 23, SEP]]
  )
  assert packed.word_ids.dtype == np.int32
  assert packed.dropped_tokens == 2  # 24 and 25
  rows = np.array([1, 0, 1])
  assert packed.labels(rows) == {}
  assert packed.padding == 0
  np.testing.assert_array_equal(packed.input_mask(rows), np.ones([3, 6]))
  np.testing.assert_array_equal(packed.type_ids(rows), np.zeros([3, 6]))


@pytest.mark.parametrize(
  ("kind", "documents", "length", "expected"),
  [
    ("full", [[[10]], [[20]]], 8, (0, 0, 2)),  # separators are no tokens
    # | 10 11 SEP 20 | 21 22 23 SEP | 30: the second document is cut once.
    ("full", [[[10, 11]], [[20, 21, 22, 23]], [[30]]], 6, (2, 3, 1)),
    ("pairs", [[[10, 11], [12]]], 8, (0, 0, 3)),  # needs another document
  ],
)
def test_counts_of_what_is_cut(kind, documents, length, expected):
  packed = _pack(kind, [_document(*one) for one in documents], length)
  counts = len(packed), packed.truncated_tokens, packed.dropped_tokens
  assert counts == expected


# One document a sequence, or several.


def test_documents_are_cut_and_padded():
  documents = [_document([10, 11], [12, 13, 14]), _document([20])]
  packed = _pack("documents", documents, 6)
  assert packed.word_ids.tolist() == [
    [CLS, 10, 11, 12, 13, SEP],
    [CLS, 14, SEP, PAD, PAD, PAD],
    [CLS, 20, SEP, PAD, PAD, PAD],
  ]
  np.testing.assert_array_equal(packed.lengths, [6, 3, 3])
  assert packed.padding == 6
  assert (packed.truncated_tokens, packed.dropped_tokens) == (1, 0)


@pytest.mark.parametrize(
  ("documents", "length", "expected", "truncated"),
  [
    (
      [[10], [20, 21, 22], [30, 31]],
      7,
      [[CLS, 20, 21, 22, SEP, 10, SEP], [CLS, 30, 31, SEP, PAD, PAD, PAD]],
      0,
    ),
    (
      [range(10, 19), [20, 21]],  # only the long one is cut
      8,
      [[CLS, *range(10, 16), SEP], [CLS, 16, 17, 18, SEP, 20, 21, SEP]],
      3,
    ),
  ],
)
def test_documents_share_sequences(documents, length, expected, truncated):
  packed = _pack("best-fit", [_document(ids) for ids in documents], length)
  assert packed.word_ids.tolist() == expected
  assert packed.truncated_tokens == truncated
  assert packed.padding == sum(row.count(PAD) for row in expected)


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
  for first in range(1000, 21000, 1000):
    offsets = np.cumsum([0, *rng.integers(1, 9, 30)]).astype(np.int32)
    ids = np.arange(first, first + offsets[-1], dtype=np.int32)
    result.append(packing.Document(ids, offsets))
  return result


@pytest.fixture(scope="module")
def packed(documents):
  return _pack("pairs", documents, LENGTH, 1)


def test_layout_and_labels(packed):
  """0: the second part follows the first, 1: it is of another document."""
  for row, end, length, label in zip(
    packed.word_ids,
    packed.first_lengths,
    packed.lengths,
    packed.next_sentence_labels,
    strict=True,
  ):
    assert row[0] == CLS
    assert row[end - 1] == row[length - 1] == SEP
    assert np.sum(row < 5) == 3 + LENGTH - length  # and padding is id 0
    np.testing.assert_array_equal(row[length:], PAD)
    first, second = row[1 : end - 1], row[end : length - 1]
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


def test_single_long_sentences():
  document = _document(range(10, 110))
  packed = _pack("pairs", [document, document], 8)
  np.testing.assert_array_equal(packed.next_sentence_labels, [1, 1])
  np.testing.assert_array_equal(packed.lengths, [8, 8])
  assert packed.dropped_tokens == 2 * 200 - 2 * 5


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
