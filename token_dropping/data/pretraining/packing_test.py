# SPDX-License-Identifier: Apache-2.0
"""Tests for packing."""

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import packing
from token_dropping.data.text import wordpiece

SPECIAL = {token: i for i, token in enumerate(vocabulary.SPECIAL_TOKENS)}
PAD, CLS, SEP = 0, 2, 3


def _document(*sentences):
  lengths = [len(sentence) for sentence in sentences]
  return wordpiece.EncodedDocument(
    ids=np.concatenate(sentences).astype(np.int32),
    offsets=np.cumsum([0, *lengths]).astype(np.int32),
  )


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


def test_truncated_tokens_of_full_sequences():
  # | 10 11 SEP 20 | 21 22 23 SEP | 30: the second document is cut once.
  documents = [_document([10, 11]), _document([20, 21, 22, 23])]
  packed = packing.pack_full([*documents, _document([30])], 6, SPECIAL)
  assert (len(packed), packed.truncated_tokens) == (2, 3)
  assert packed.dropped_tokens == 1


def test_nothing_to_pack():
  for pack in (packing.pack_full, packing.pack_documents):
    packed = pack([], 8, SPECIAL)
    assert packed.word_ids.shape == (0, 8)
    assert packed.padding == packed.truncated_tokens == 0


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
