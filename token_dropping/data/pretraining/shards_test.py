# SPDX-License-Identifier: Apache-2.0
"""Tests of encoded documents; prepare_records_test has the records."""

import numpy as np
import pytest

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining import wordpiece
from token_dropping.data.text import tokenizer
from token_dropping.data.text import tokenizer_config


def _encode(documents, pieces, *config):
  vocab = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, *pieces))
  config = tokenizer_config.TokenizerConfig(*config)
  return list(shards.encode(tokenizer.Tokenizer(vocab, config), documents))


@pytest.mark.parametrize("sentences", [4096, 1])
def test_encoded_documents(monkeypatch, sentences):
  monkeypatch.setattr(shards, "_SENTENCES", sentences)
  texts = [["ab A", "\u200b", "x"], ["\u200b"], ["b"]]
  documents = _encode(texts, ["a", "b", "##b"])
  ids = [document.ids.tolist() for document in documents]
  assert ids == [[5, 7, 5, 1], [], [6]]
  offsets = [document.offsets.tolist() for document in documents]
  assert offsets == [[0, 3, 4], [0], [0, 1]]
  for document in documents:
    assert document.ids.dtype == document.offsets.dtype == np.int32


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
  text = "Été Σάς ²"
  counted = wordpiece.count_words(
    [text], tokenizer_config.TokenizerConfig(*config)
  )
  assert counted == words
  (document,) = _encode([[text]], words, *config)
  assert document.ids.tolist() == [5, 6, 7]
