# SPDX-License-Identifier: Apache-2.0
"""Tests for wordpiece."""

import builtins
import itertools
import subprocess
import sys

import numpy as np
import pytest

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.pretraining.corpus import wikipedia
from token_dropping.data.text import tokenizer_config
from token_dropping.data.text import wordpiece

UNCASED = tokenizer_config.TokenizerConfig()


@pytest.fixture(scope="module")
def articles():
  articles = wikipedia.read_articles(wikipedia.embedded_dump())
  return [
    [s for paragraph in article for s in wikipedia.split_sentences(paragraph)]
    for article in itertools.islice(articles, 4)
  ]


def _learn(articles, vocab_size=1000):
  counter = wordpiece.WordCounter(UNCASED)
  for article in articles:
    counter.add(article)
  return wordpiece.learn_vocabulary(counter.words(), vocab_size)


def _vocabulary(*pieces):
  return vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, *pieces))


def test_words_are_berts():
  counter = wordpiece.WordCounter(UNCASED)
  counter.add(["Don't  Été", "don't"])
  assert counter.words() == {"don": 2, "'": 2, "t": 2, "ete": 1}


@pytest.mark.parametrize(
  ("config", "words"),
  [
    ((True, None), {"ete": 1, "σας": 1, "²": 1}),
    ((True, False), {"été": 1, "σάς": 1, "²": 1}),
    ((False, None), {"Été": 1, "Σάς": 1, "²": 1}),
    ((False, True), {"Ete": 1, "Σας": 1, "²": 1}),
  ],
)
def test_words_are_encoded_as_they_are_counted(config, words):
  config = tokenizer_config.TokenizerConfig(*config)
  counter = wordpiece.WordCounter(config)
  counter.add(["Été Σάς ²"])
  assert counter.words() == words
  encoder = wordpiece.Encoder(_vocabulary(*words), config)
  (document,) = encoder.encode([["Été Σάς ²"]])
  np.testing.assert_array_equal(document.ids, [5, 6, 7])


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


def test_vocabulary_has_the_size_asked(articles):
  vocab = _learn(articles, 700)
  assert len(vocab) == 700
  assert vocab.tokens[:5] == vocabulary.SPECIAL_TOKENS
  assert len(set(vocab.tokens)) == 700


def test_two_trainings_in_two_processes_agree(articles):
  # Hash seeds differ between processes; within one, a second run would agree.
  script = (
    "import itertools\n"
    "from token_dropping.data.pretraining.corpus import wikipedia as w\n"
    "from token_dropping.data.text import tokenizer_config, wordpiece\n"
    "articles = itertools.islice(w.read_articles(w.embedded_dump()), 4)\n"
    "config = tokenizer_config.TokenizerConfig()\n"
    "counter = wordpiece.WordCounter(config)\n"
    "for article in articles: counter.add(article)\n"
    "vocab = wordpiece.learn_vocabulary(counter.words(), 1000)\n"
    "print(ascii(vocab.tokens))\n"
  )
  result = subprocess.run(
    [sys.executable, "-c", script],
    env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    capture_output=True,
    text=True,
    check=True,
  )
  assert result.stdout.strip() == ascii(_learn(articles).tokens)


def test_vocabulary_without_room_for_the_alphabet():
  with pytest.raises(errors.UserError, match=r"at least 9 .* Received: 8"):
    wordpiece.learn_vocabulary({"ab": 2, "ba": 2}, 8)


def test_encoded_documents():
  vocab = _vocabulary("a", "b", "##b")
  encoder = wordpiece.Encoder(vocab, UNCASED)
  documents = [["ab A", "\u200b", "x"], ["\u200b"], ["b"]]
  first, second, third = encoder.encode(documents)
  np.testing.assert_array_equal(first.ids, [5, 7, 5, 1])
  np.testing.assert_array_equal(first.offsets, [0, 3, 4])
  np.testing.assert_array_equal(second.ids, [])
  np.testing.assert_array_equal(second.offsets, [0])
  np.testing.assert_array_equal(third.ids, [6])
  assert first.ids.dtype == first.offsets.dtype == np.int32


def test_batches_do_not_change_the_ids(articles, monkeypatch):
  encoder = wordpiece.Encoder(_learn(articles), UNCASED)
  whole = list(encoder.encode(articles))
  monkeypatch.setattr(wordpiece, "_CHUNK", 1)
  for one, other in zip(whole, encoder.encode(articles), strict=True):
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.offsets, other.offsets)


def test_missing_tokenizers_is_a_user_error(monkeypatch):
  original = builtins.__import__

  def refuse(name, *args, **kwargs):
    if name.startswith("tokenizers"):
      raise ImportError("No module named 'tokenizers'")
    return original(name, *args, **kwargs)

  monkeypatch.setattr(builtins, "__import__", refuse)
  with pytest.raises(errors.UserError, match=r"'token-dropping\[data\]'"):
    wordpiece.WordCounter(UNCASED)
