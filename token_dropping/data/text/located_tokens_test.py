# SPDX-License-Identifier: Apache-2.0
"""Tests for located_tokens."""

import string

import numpy as np
import pytest
import tensorflow as tf

from tests import finetune_testing
from token_dropping.common import vocabulary
from token_dropping.data.text import located_tokens
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config


def _shown(text):
  (tokens,) = located_tokens.locate([text], finetune_testing.tokenizer())
  return [
    (finetune_testing.VOCAB.tokens[i], text[start:end])
    for i, start, end in zip(
      tokens.ids, tokens.starts, tokens.ends, strict=True
    )
  ]


def test_tokens_and_their_characters():
  assert _shown("The Cats  sat\n(on it).") == [
    *(("the", "The"), ("cat", "Cat"), ("##s", "s"), ("sat", "sat"), ("(", "(")),
    *(("on", "on"), ("[UNK]", "it"), (")", ")"), (".", ".")),
  ]
  # Accents belong to their letters.
  assert _shown("Cáts dog\u0301s") == (
    [("cat", "Cát"), ("##s", "s"), ("dog", "dog\u0301"), ("##s", "s")]
  )


def test_several_texts():
  texts = [" \n", "on the mat", "", "cats"]
  found = located_tokens.locate(texts, finetune_testing.tokenizer())
  places = [(one.starts.tolist(), one.ends.tolist()) for one in found]
  mat, cats = ([0, 3, 7], [2, 6, 10]), ([0, 3], [3, 4])
  assert places == [([], []), mat, ([], []), cats]
  assert located_tokens.locate([], finetune_testing.tokenizer()) == []


@pytest.mark.parametrize(
  ("start", "end", "expected"),
  [
    (0, 3, (0, 0)),
    (0, 8, (0, 2)),
    (4, 7, (1, 1)),
    (5, 6, (1, 1)),  # a part of a token
    (7, 9, (2, 2)),  # an ending and the space after it
    (3, 4, None),  # a space
    (12, 20, None),  # beyond the text
  ],
)
def test_spans_of_characters(start, end, expected):
  (tokens,) = located_tokens.locate(
    ["The cats sat"], finetune_testing.tokenizer()
  )
  assert tokens.span(start, end) == expected


def _random_text(rng):
  ranges = [(0x20, 0x7F), (0x20, 0x250), (0x250, 0x3400), (1, 0x1FFFF)]
  codes = [rng.integers(*ranges[rng.integers(4)]) for _ in range(20)]
  codes = [65 if 0xD800 <= c < 0xE000 else int(c) for c in codes]
  return "".join("  the "[c % 6] if c % 3 == 0 else chr(c) for c in codes)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("strip", [True, False])
def test_ids_are_those_of_the_whole_text(lower, strip):
  letters = [*string.printable.split()[0], "é", "ü", "…"]
  pieces = [*letters, *(f"##{letter}" for letter in letters), "the", "##he"]
  vocab = vocabulary.Vocabulary(
    tuple(dict.fromkeys([*vocabulary.SPECIAL_TOKENS, *pieces]))
  )
  tokenizer = tokenizer_lib.Tokenizer(
    vocab, tokenizer_config.TokenizerConfig(lower, strip)
  )
  rng = np.random.default_rng(0)
  texts = [_random_text(rng) for _ in range(200)]
  whole = tokenizer.tokenize(tf.constant(texts)).to_list()
  found = located_tokens.locate(texts, tokenizer)
  for tokens, ids in zip(found, whole, strict=True):
    assert tokens.ids.tolist() == ids
    assert np.all(tokens.starts < tokens.ends)
    assert np.all(np.diff(tokens.starts) >= 0)
    assert np.all(np.diff(tokens.ends) >= 0)


@pytest.mark.parametrize(
  ("part", "pieces", "expected"),
  [
    ("CATS", ["cat", "##s"], [(0, 3), (3, 4)]),
    ("CATS", ["CAT", "##S"], [(0, 3), (3, 4)]),
    ("Été", ["Ete"], [(0, 3)]),
    ("été", ["é", "##t", "##é"], [(0, 1), (1, 2), (2, 3)]),
    ("xyz", ["[UNK]"], [(0, 3)]),
    ("##", ["##"], [(0, 2)]),
    ("x##", ["x", "####"], [(0, 1), (1, 3)]),
  ],
)
def test_offsets_by_hand(part, pieces, expected):
  assert located_tokens.piece_offsets(part, pieces) == expected
