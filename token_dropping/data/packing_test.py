# SPDX-License-Identifier: Apache-2.0
"""Tests for packing."""

import numpy as np

from token_dropping.data import packing
from token_dropping.data import wordpiece

CLS, SEP = 2, 3


def _document(*sentences):
  lengths = [len(sentence) for sentence in sentences]
  return wordpiece.EncodedDocument(
    ids=np.concatenate(sentences).astype(np.int32),
    offsets=np.cumsum([0, *lengths]).astype(np.int32),
  )


def test_full_sequences_cross_documents():
  documents = [_document([10, 11], [12]), _document([20, 21, 22, 23, 24, 25])]
  packed = packing.pack_full(documents, 6, CLS, SEP)
  np.testing.assert_array_equal(
    packed.word_ids, [[CLS, 10, 11, 12, SEP, SEP], [CLS, 20, 21, 22, 23, SEP]]
  )
  assert packed.word_ids.dtype == np.int32
  assert packed.dropped_tokens == 2  # 24 and 25


def test_separators_are_not_dropped_tokens():
  packed = packing.pack_full([_document([10]), _document([20])], 8, CLS, SEP)
  assert len(packed) == 0
  assert packed.dropped_tokens == 2


def test_full_features():
  packed = packing.pack_full([_document([10, 11, 12, 13])], 4, CLS, SEP)
  features = packed.features(np.array([1, 0, 1]))
  assert set(features) == {"input_mask", "input_type_ids"}
  np.testing.assert_array_equal(features["input_mask"], np.ones([3, 4]))
  np.testing.assert_array_equal(features["input_type_ids"], np.zeros([3, 4]))


def test_pair_features():
  packed = packing.Packed(
    word_ids=np.zeros([2, 6], np.int32),
    lengths=np.array([6, 5], np.int32),
    first_lengths=np.array([4, 3], np.int32),
    next_sentence_labels=np.array([1, 0], np.int32),
    dropped_tokens=0,
  )
  features = packed.features(np.array([1]))
  np.testing.assert_array_equal(features["input_mask"], [[1, 1, 1, 1, 1, 0]])
  np.testing.assert_array_equal(
    features["input_type_ids"], [[0, 0, 0, 1, 1, 0]]
  )
  np.testing.assert_array_equal(features["next_sentence_labels"], [[0]])
