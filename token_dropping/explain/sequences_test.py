# SPDX-License-Identifier: Apache-2.0
"""Tests of sequences and of what is shown of them."""

import numpy as np
import pytest

from token_dropping.common import vocabulary
from token_dropping.data.text import located_tokens
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config
from token_dropping.explain import sequences

VOCAB = vocabulary.Vocabulary(
  (*vocabulary.SPECIAL_TOKENS, "un", "##able", "to", ",", "off", "##ice")
)


@pytest.fixture(scope="module")
def tokenizer():
  return tokenizer_lib.Tokenizer(VOCAB, tokenizer_config.TokenizerConfig())


def test_text_is_shown_as_it_was_written(tokenizer):
  (found,) = sequences.from_text("Unable, to  go", tokenizer, 16)
  assert found.ids.tolist() == [2, 5, 6, 8, 7, 1, 3]
  assert found.pieces == ("[CLS]", "Un", "able", ",", "to", "go", "[SEP]")
  assert found.spaced == (False, True, False, False, True, True, True)
  # "go" is [UNK].
  assert found.special.tolist() == [True, *[False] * 4, True, True]
  assert sequences.count_tokens([found]) == 4


def test_long_text_is_cut_into_sequences(tokenizer):
  found = sequences.from_text("to to to to un", tokenizer, 4)
  assert [each.ids.tolist() for each in found] == [
    [2, 7, 7, 3],
    [2, 7, 7, 3],
    [2, 5, 3],
  ]


def test_pieces_of_the_same_characters_are_those_of_the_vocabulary():
  both = np.array([0, 0], np.int32), np.array([4, 4], np.int32)
  located = located_tokens.LocatedTokens(np.array([9, 10], np.int32), *both)
  found = sequences._Written("oﬃce", located, VOCAB).cut(0, 4)
  assert found.pieces == ("[CLS]", "oﬃce", "ice", "[SEP]")
  assert found.spaced == (False, True, False, True)


def test_text_without_tokens_has_no_sequence(tokenizer):
  assert sequences.from_text(" \n", tokenizer, 8) == []


def test_special_tokens_stand_alone():
  ids = np.array([2, 6, 1, 8, 3])
  found = sequences.from_ids(ids, np.zeros(5), VOCAB)
  assert found.spaced == (False, True, True, True, True)


def test_marks_of_records_are_joined():
  ids = np.array([2, 7, 8, 7, 3])
  found = sequences.from_ids(ids, np.zeros(5), VOCAB)
  assert found.spaced == (False, True, False, True, True)
