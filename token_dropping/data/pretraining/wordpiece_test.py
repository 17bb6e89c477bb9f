# SPDX-License-Identifier: Apache-2.0
"""Tests of learnt vocabularies."""

import itertools

import pytest

from tests import testing
from token_dropping.common import vocabulary
from token_dropping.data.pretraining import wordpiece
from token_dropping.data.pretraining.corpus import wikipedia
from token_dropping.data.text import tokenizer_config

UNCASED = tokenizer_config.TokenizerConfig()


@pytest.fixture(scope="module")
def counts():
  articles = wikipedia.read_articles(wikipedia.embedded_dump())
  return wordpiece.count_words(
    itertools.chain.from_iterable(itertools.islice(articles, 4)), UNCASED
  )


def test_words_are_berts():
  words = wordpiece.count_words(["Don't  Été", "don't"], UNCASED)
  assert words == {"don": 2, "'": 2, "t": 2, "ete": 1}


def test_words_that_are_unknown_for_their_length_are_left_out():
  found = wordpiece.count_words([f"{'a' * 100} {'b' * 101}-c"], UNCASED)
  assert found == {"a" * 100: 1, "-": 1, "c": 1}
  assert testing.refused(wordpiece.learn_vocabulary, {"c": 1}, 100) == (
    "the training documents must hold a character that occurs twice, in words "
    "of at most 100 characters, to learn a vocabulary. Received: 1 such words"
  )


def test_learnt_tokens_are_short_enough_for_tensorflow_text():
  vocab = wordpiece.learn_vocabulary({"ก" * 90: 2}, 1000)
  assert all(map(vocabulary.fits, vocab.tokens))


def test_alphabet_needs_two_occurrences(monkeypatch):
  monkeypatch.setattr(wordpiece, "MAX_ALPHABET", 2)
  counts = {"ba": 3, "c": 2, "d": 1}
  assert wordpiece.choose_alphabet(counts) == ["a", "b", "##a"]


def test_learned_merges():
  # ##b##c occurs 5 times, then a##bc 3 times; "x" once is not in the alphabet.
  vocab = wordpiece.learn_vocabulary({"abc": 3, "bbc": 2, "axbc": 1}, 100)
  letters = ("a", "b", "c", "##b", "##c")
  assert vocab.tokens[:10] == (*vocabulary.SPECIAL_TOKENS, *letters)
  assert vocab.tokens[10:] == ("##bc", "abc", "bbc")


def test_vocabulary_has_the_size_asked(counts):
  vocab = wordpiece.learn_vocabulary(counts, 700)
  assert len(vocab) == len(set(vocab.tokens)) == 700
  assert vocab.tokens[:5] == vocabulary.SPECIAL_TOKENS


def test_two_trainings_in_two_processes_agree(counts):
  # Hash seeds differ between processes; within one, a second run would agree.
  script = (
    "from token_dropping.data.pretraining import wordpiece\n"
    f"vocab = wordpiece.learn_vocabulary({dict(counts)!a}, 1000)\n"
    "print(ascii(vocab.tokens))\n"
  )
  vocab = wordpiece.learn_vocabulary(counts, 1000)
  assert testing.run_script(script).strip() == ascii(vocab.tokens)


def test_vocabulary_without_room_for_the_alphabet():
  message = testing.refused(wordpiece.learn_vocabulary, {"ab": 2, "ba": 2}, 8)
  assert message == (
    "vocab_size must be at least 9 for this input (5 special tokens and its "
    "alphabet). Received: 8"
  )
