# SPDX-License-Identifier: Apache-2.0
"""Tests of words in text that is not tokenized yet."""

import pytest

from token_dropping.data.text import tokenizer_config
from token_dropping.data.text import words


@pytest.mark.parametrize(
  ("text", "number"),
  [
    ("état", 1),
    ("안녕하세요 세계", 2),
    ("今天", 2),
    ("天", 1),
    ("ひらカナ", 4),
    ("ไทย", 3),
    ("ລາວ", 3),
    ("ខ្មែរ", 5),
    ("မြန်", 4),
    ("iPhone手机", 3),
    ("ꕙꔤ", 2),  # Vai
    ("𒀭𒈗", 2),  # cuneiform
    ("ሰላም፡ዓለም", 3),  # "፡" stands for a space
  ],
)
def test_words_of_scripts_with_and_without_spaces(text, number):
  assert words.number_of_words(text) == number


@pytest.mark.parametrize(
  ("text", "number", "cased"),
  [
    ("a" * 100, 0, 0),
    (f"{'a' * 101} b {'c' * 300}", 2, 2),
    ("a" * 60 + "-" + "b" * 60, 0, 0),
    ("a" * 60 + "…" + "b" * 60, 0, 0),
    ("今" * 101, 0, 0),
    ("ก" * 101, 1, 1),
    ("e\u0301" * 60, 0, 1),  # accents are taken off
    ("a\u200b" * 60, 0, 0),
  ],
)
def test_long_words(text, number, cased):
  for expected, lower in ((number, True), (cased, False)):
    config = tokenizer_config.TokenizerConfig(do_lower_case=lower)
    assert words.number_of_long_words(text, config) == expected
