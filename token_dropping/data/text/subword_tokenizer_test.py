# SPDX-License-Identifier: Apache-2.0
"""Tests of the vocabulary of two languages."""

import io

import pytest
import sentencepiece
import tensorflow as tf

from tests import testing
from token_dropping.data.pretraining.pairs import sentence_pieces
from token_dropping.data.text import subword_tokenizer

LINES = ["the cat sees the dog\tdie Katze sieht den Hund"] * 5
COUNTS = sentence_pieces.count_words(LINES)


@pytest.fixture(scope="module")
def tokenizer():
  return subword_tokenizer.SubwordTokenizer(
    sentence_pieces.learn(COUNTS, 40), "m"
  )


def test_ids_are_those_of_sentencepiece_and_the_end(tokenizer):
  texts = ["the cat", "die Katze  sieht", "", "日 the"]
  ids = tokenizer.tokenize(tf.constant(texts)).to_list()
  assert ids == tokenizer.processor.encode(texts, add_eos=True)
  assert [row[-1] for row in ids] == [1] * 4
  assert ids[2] == [1] and 2 in ids[3]
  padded = tf.ragged.constant(ids).to_tensor()
  texts = [text.decode() for text in tokenizer.detokenize(padded).numpy()]
  assert texts == ["the cat", "die Katze sieht", "", " \u2047  the"]


def test_the_same_counts_give_the_same_model(tokenizer):
  turned = dict(reversed(COUNTS.items()))
  assert sentence_pieces.learn(turned, 40) == tokenizer.model
  pieces = [tokenizer.processor.id_to_piece(i) for i in range(3)]
  assert pieces == ["<pad>", "</s>", "<unk>"]


def test_a_size_that_cannot_be_learnt():
  message = testing.refused(sentence_pieces.learn, COUNTS, 8)
  assert message.startswith(
    "vocab_size must be one that SentencePiece can learn from the text. "
    "Received: 8 ("
  )


def test_other_special_pieces_are_refused(tmp_path):
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(LINES),
    model_writer=model,
    vocab_size=40,
    hard_vocab_limit=False,
    minloglevel=2,
  )
  path = tmp_path / "other.model"
  path.write_bytes(model.getvalue())
  load = subword_tokenizer.SubwordTokenizer.from_file
  rule = "spiece.model must be a SentencePiece model"
  assert testing.refused(load, str(path)) == (
    f"{rule} with pad 0, eos 1, unk 2, no bos. Received: {str(path)!r} with "
    "no pad, eos 2, unk 0, bos 1"
  )
  path.write_bytes(b"none")
  assert testing.refused(load, str(path)) == f"{rule}. Received: {str(path)!r}"
  assert testing.refused(load, str(tmp_path / "x")) == (
    f"spiece.model must be a readable file. Received: '{tmp_path}/x'"
  )
