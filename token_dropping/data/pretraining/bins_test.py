# SPDX-License-Identifier: Apache-2.0
"""Tests for bins."""

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import bins
from token_dropping.data.text import wordpiece

SPECIAL = {token: i for i, token in enumerate(vocabulary.SPECIAL_TOKENS)}
PAD, CLS, SEP = 0, 2, 3


def _document(*ids):
  return wordpiece.EncodedDocument(
    np.array(ids, np.int32), np.array([0, len(ids)], np.int32)
  )


def test_documents_share_sequences():
  documents = [_document(10), _document(20, 21, 22), _document(30, 31)]
  packed = bins.pack_best_fit(documents, 7, SPECIAL)
  np.testing.assert_array_equal(
    packed.word_ids,
    [[CLS, 20, 21, 22, SEP, 10, SEP], [CLS, 30, 31, SEP, PAD, PAD, PAD]],
  )
  assert (packed.truncated_tokens, packed.padding) == (0, 3)


def test_only_long_documents_are_cut():
  documents = [_document(*range(10, 19)), _document(20, 21)]
  packed = bins.pack_best_fit(documents, 8, SPECIAL)
  np.testing.assert_array_equal(
    packed.word_ids,
    [[CLS, *range(10, 16), SEP], [CLS, 16, 17, 18, SEP, 20, 21, SEP]],
  )
  assert packed.truncated_tokens == 3


def test_every_part_is_in_one_bin_that_holds_it():
  lengths = np.random.default_rng(0).integers(1, 101, 500)
  found = bins.fill_bins(lengths.tolist(), 100)
  assert sorted(i for members in found for i in members) == list(range(500))
  for members in found:
    assert sum(lengths[members]) + len(members) - 1 <= 100
  # 1.1 of what no packing can beat.
  assert len(found) < 1.1 * (sum(lengths) + 500) / 101


def test_the_bin_with_least_room_is_chosen():
  assert bins.fill_bins([6, 7, 2], 10) == [[1, 2], [0]]


def test_no_documents():
  assert len(bins.pack_best_fit([], 8, SPECIAL)) == 0
