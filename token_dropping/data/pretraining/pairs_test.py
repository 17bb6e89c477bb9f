# SPDX-License-Identifier: Apache-2.0
"""Tests for pairs."""

import numpy as np
import pytest

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import pairs
from token_dropping.data.text import wordpiece

SPECIAL = {token: i for i, token in enumerate(vocabulary.SPECIAL_TOKENS)}
LENGTH = 32


@pytest.fixture(scope="module")
def documents():
  """20 documents of 30 sentences; an id says where it stands."""
  rng = np.random.default_rng(0)
  result = []
  for index in range(20):
    lengths = rng.integers(1, 9, 30)
    result.append(
      wordpiece.EncodedDocument(
        ids=np.arange(lengths.sum(), dtype=np.int32) + 1000 * (index + 1),
        offsets=np.cumsum([0, *lengths]).astype(np.int32),
      )
    )
  return result


@pytest.fixture(scope="module")
def packed(documents):
  return pairs.pack_pairs(documents, LENGTH, SPECIAL, np.random.default_rng(1))


def _spans(packed):
  ends = zip(packed.first_lengths, packed.lengths, strict=True)
  for row, (first, end) in zip(packed.word_ids, ends, strict=True):
    yield row[1 : first - 1], row[first : end - 1]


def test_layout(packed):
  for row, first, length in zip(
    packed.word_ids, packed.first_lengths, packed.lengths, strict=True
  ):
    assert row[0] == SPECIAL["[CLS]"]
    assert row[first - 1] == row[length - 1] == SPECIAL["[SEP]"]
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


def test_half_of_the_pairs_are_random(packed):
  assert 0.4 < packed.next_sentence_labels.mean() < 0.6


def test_most_pairs_are_long(packed):
  full = np.mean(packed.lengths == LENGTH)
  assert 0.7 < full < 0.97  # the ends of documents and one in ten are shorter


def test_only_truncation_drops_text(documents, packed):
  seen = set(np.unique(packed.word_ids))
  everything = {int(i) for document in documents for i in document.ids}
  missing = everything - seen
  assert 0 < len(missing) <= packed.dropped_tokens


def test_same_seed_same_pairs(documents, packed):
  again = pairs.pack_pairs(documents, LENGTH, SPECIAL, np.random.default_rng(1))
  np.testing.assert_array_equal(again.word_ids, packed.word_ids)


def test_single_long_sentences():
  document = wordpiece.EncodedDocument(
    np.arange(10, 110, dtype=np.int32), np.array([0, 100], np.int32)
  )
  packed = pairs.pack_pairs(
    [document, document], 8, SPECIAL, np.random.default_rng(0)
  )
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
  spans = pairs.truncate(
    np.arange(first), np.arange(second), room, np.random.default_rng(0)
  )
  assert tuple(len(span) for span in spans) == expected


def test_truncation_cuts_both_ends():
  rng = np.random.default_rng(0)
  spans = [
    pairs.truncate(np.arange(2), np.arange(50), 12, rng)[1] for _ in range(200)
  ]
  starts = np.array([span[0] for span in spans])
  assert all(len(span) == 10 for span in spans)
  assert 18 < starts.mean() < 22  # half of the 40 tokens lost
