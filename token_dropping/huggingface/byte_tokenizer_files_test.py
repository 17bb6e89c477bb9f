# SPDX-License-Identifier: Apache-2.0
"""`transformers`' tokenizer makes the ids that ours makes, and the text."""

import random

import pytest
import tensorflow as tf
import transformers

from tests import causal_testing
from tests import testing
from tests import tokenizer_testing
from token_dropping.data.pretraining.causal import byte_pairs
from token_dropping.data.text import byte_tokenizer
from token_dropping.data.text import random_text
from token_dropping.huggingface import byte_tokenizer_files


@pytest.fixture(scope="module")
def strings() -> list[str]:
  """Texts of all scripts, and of few characters that repeat themselves."""
  rng = random.Random(3)
  repeated = [
    "".join(rng.choices(letters, k=rng.randrange(30)))
    for letters in ("ab", "ab ", "- ", "aab\n", "日本 ")
    for _ in range(400)
  ]
  return [*causal_testing.texts(), *repeated, *random_text.make_strings(5)]


@pytest.fixture(scope="module")
def tokenizer(strings) -> byte_tokenizer.ByteTokenizer:
  words = byte_pairs.count_words(strings * 2)
  return byte_tokenizer.ByteTokenizer(byte_pairs.learn(words, 2000), "model")


@pytest.fixture(scope="module")
def loaded(tokenizer, tmp_path_factory):
  folder = tmp_path_factory.mktemp("folder")
  fields = {"model_max_length": 1024}
  byte_tokenizer_files.write(str(folder), tokenizer, fields)
  testing.write_json(folder / "config.json", {"model_type": "gpt2"})
  return transformers.AutoTokenizer.from_pretrained(folder)


def test_ids_are_the_same_and_the_text_comes_back(strings, tokenizer, loaded):
  own = tokenizer.tokenize(tf.constant(strings)).to_list()
  theirs = loaded(strings)["input_ids"]
  tokenizer_testing.assert_same(strings, own, theirs)
  assert loaded.batch_decode(theirs) == strings


def test_special_tokens(tokenizer, loaded):
  assert len(loaded) == len(tokenizer) == 2000
  names = loaded.bos_token, loaded.eos_token, loaded.pad_token
  assert names == ("<|endoftext|>", "<|endoftext|>", "<pad>")
  assert (loaded.eos_token_id, loaded.pad_token_id) == (1, 0)
  assert loaded.model_max_length == 1024
  (ids,) = tokenizer.tokenize(["the cat"]).to_list()
  assert loaded.decode([*ids, 1, 0], skip_special_tokens=True) == "the cat"
  padded = loaded(["the cat", ""], padding=True)["input_ids"]
  assert padded == [ids, [0] * len(ids)]
