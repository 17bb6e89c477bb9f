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
  (row,) = sequences.from_text("Unable, to  go", tokenizer, 16)
  assert row.ids.tolist() == [2, 5, 6, 8, 7, 1, 3]
  assert row.pieces == ("[CLS]", "Un", "able", ",", "to", "go", "[SEP]")
  assert row.spaced == (False, True, False, False, True, True, True)
  # "go" is [UNK].
  assert row.special.tolist() == [True, *[False] * 4, True, True]
  assert sequences.count_tokens([row]) == 4
  assert row.words() == [[0], [1, 2, 3], [4], [5], [6]]


def test_long_text_is_cut_into_sequences(tokenizer):
  rows = sequences.from_text("to to un able ,to", tokenizer, 4)
  ids = [row.ids.tolist() for row in rows]
  assert ids == [[2, 7, 7, 3], [2, 5, 1, 3], [2, 8, 7, 3]]
  # A sequence begins with a space, whatever was before it.
  apart, joined = (False, True, True, True), (False, True, False, True)
  assert [row.spaced for row in rows] == [apart, apart, joined]


def test_pieces_of_the_same_characters_are_those_of_the_vocabulary():
  both = np.array([0, 0], np.int32), np.array([4, 4], np.int32)
  located = located_tokens.LocatedTokens(np.array([9, 10], np.int32), *both)
  assert sequences._written_pieces("oﬃce", located, VOCAB) == (
    ["oﬃce", "ice"],
    [False, False],
  )


@pytest.mark.parametrize(
  ("ids", "spaced"),
  [
    ([2, 6, 1, 8, 3], (False, True, True, True, True)),  # special: alone
    ([2, 7, 8, 7, 3], (False, True, False, True, True)),  # a comma: joined
  ],
)
def test_spaces_of_records(ids, spaced):
  row = sequences.from_ids(np.array(ids), np.zeros(5), VOCAB)
  assert row.spaced == spaced
