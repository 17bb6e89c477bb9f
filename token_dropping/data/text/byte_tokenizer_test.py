# SPDX-License-Identifier: Apache-2.0
"""Tests of the tokenizer that gives every text back."""

import io
import random

import pytest
import sentencepiece
import tensorflow as tf
import tokenizers

from tests import causal_testing
from tests import testing
from token_dropping.data.text import byte_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
  return causal_testing.tokenizer()


def _random_bytes(number: int) -> list[bytes]:
  rng = random.Random(1)
  return [rng.randbytes(rng.randrange(40)) for _ in range(number)]


CONTENTS = [*(t.encode() for t in causal_testing.texts()), *_random_bytes(300)]


def test_characters_are_those_of_hugging_face():
  splitter = tokenizers.pre_tokenizers.ByteLevel(False, use_regex=False)
  characters = byte_tokenizer.byte_characters()
  assert len(set(characters)) == 256
  # All bytes that UTF-8 has.
  text = "".join(
    map(chr, [*range(0x800), *range(0x800, 0xD800, 0x101), 0x1F600])
  )
  text += "".join(chr(i) for i in range(0x10000, 0x110000, 0x10001))
  ((wanted, _),) = splitter.pre_tokenize_str(text)
  found = "".join(characters[byte] for byte in text.encode())
  assert found == wanted.replace("\u0120", " ")


def test_every_content_comes_back(tokenizer):
  ids = tokenizer.tokenize(tf.constant(CONTENTS))
  assert tokenizer.detokenize(ids).numpy().tolist() == CONTENTS
  assert int(tf.reduce_min(ids.flat_values)) > byte_tokenizer.END_OF_TEXT_ID
  assert int(tf.reduce_max(ids.flat_values)) < len(tokenizer)
  assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []


def test_ids_are_those_of_sentencepiece(tokenizer):
  processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
  characters = byte_tokenizer.byte_characters()
  wanted = [
    processor.encode("".join(characters[byte] for byte in content))
    for content in CONTENTS
  ]
  assert tokenizer.tokenize(tf.constant(CONTENTS)).to_list() == wanted


def test_padding_and_end_of_text_are_empty(tokenizer):
  (ids,) = tokenizer.tokenize(tf.constant(["the cat"])).to_list()
  padded = tf.constant([[1, *ids, 1, 0], [0] * (len(ids) + 3)])
  assert tokenizer.detokenize(padded).numpy().tolist() == [b"the cat", b""]
  assert tokenizer.pieces[:2] == [b"", b""]
  assert tokenizer.names[:2] == ("<pad>", "<|endoftext|>")
  assert "".join(tokenizer.names[i] for i in ids) == "the cat"
  assert b"".join(tokenizer.pieces[i] for i in ids) == b"the cat"


def test_text_goes_through_a_saved_model(tokenizer, tmp_path):
  class Echo(tf.Module):
    def __init__(self):
      self.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def echo(self, text):
      return tokenizer.detokenize(tokenizer.tokenize(text).to_tensor(0))

  tf.saved_model.save(Echo(), str(tmp_path))
  loaded = tf.saved_model.load(str(tmp_path))
  assert loaded.echo(tf.constant(CONTENTS)).numpy().tolist() == CONTENTS


def _other_model(**changes) -> bytes:
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(["the cat sees the dog"] * 9),
    model_writer=model,
    model_type="bpe",
    vocab_size=20,
    minloglevel=2,
    **changes,
  )
  return model.getvalue()


SPECIAL = {
  **{"unk_id": 0, "unk_piece": "<pad>", "pad_id": -1, "bos_id": -1},
  **{"eos_id": 1, "eos_piece": "<|endoftext|>"},
}


@pytest.mark.parametrize(
  "make",
  [
    lambda: b"no model",
    _other_model,  # other special tokens
    lambda: _other_model(**SPECIAL),  # bytes are missing
  ],
)
def test_other_models_are_refused(tmp_path, make):
  path = tmp_path / "tokenizer.model"
  path.write_bytes(make())
  load = byte_tokenizer.ByteTokenizer.from_file
  assert testing.refused(load, str(path)) == (
    "tokenizer.model must be one that token_dropping.data.prepare made. "
    f"Received: '{path}'"
  )
  path.unlink()
  assert testing.refused(load, str(path)) == (
    f"tokenizer.model must be a readable file. Received: '{path}'"
  )
