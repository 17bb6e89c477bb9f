# SPDX-License-Identifier: Apache-2.0
"""`transformers`' tokenizer makes the ids that ours makes."""

import json

import pytest
import tensorflow as tf
import transformers

from tests import testing
from tests import tokenizer_testing
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import tokenizer_files

SMALL = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, "a", "##b"))
CONFIG = tokenizer_config.TokenizerConfig(False, True)


@pytest.fixture(scope="module")
def strings() -> list[str]:
  return tokenizer_testing.make_strings(5)


@pytest.fixture(scope="module")
def vocab(strings) -> vocabulary.Vocabulary:
  return tokenizer_testing.make_vocabulary(strings)


@pytest.mark.parametrize("config", tokenizer_testing.CONFIGS)
def test_ids_are_the_same(tmp_path, strings, vocab, config):
  """Each of the two forms that the tokenizer is written in does alone."""
  config = tokenizer_config.TokenizerConfig(*config)
  own = tokenizer.Tokenizer(vocab, config).tokenize(tf.constant(strings))
  own = own.to_list()
  for without in ("vocab.txt", "tokenizer.json"):
    folder = tmp_path / without
    folder.mkdir()
    tokenizer_files.write(str(folder), vocab, config, 512)
    (folder / without).unlink()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    loaded = transformers.AutoTokenizer.from_pretrained(folder)
    # "[SEP]" in a text is text to ours; to `transformers` if told so.
    apart = {"add_special_tokens": False, "split_special_tokens": True}
    theirs = loaded(strings, **apart)["input_ids"]
    tokenizer_testing.assert_same(strings, own, theirs)


def test_pairs_and_special_tokens(tmp_path):
  tokenizer_files.write(str(tmp_path), SMALL, CONFIG, 9)
  loaded = transformers.BertTokenizer.from_pretrained(tmp_path)
  there = loaded("a ab", "[MASK]")
  assert there["input_ids"] == [2, 5, 5, 6, 3, 4, 3]
  assert there["token_type_ids"] == [0, 0, 0, 0, 0, 1, 1]
  assert loaded.model_max_length == 9
  assert loaded.decode([5, 6, 5]) == "ab a"


def test_there_and_back(tmp_path):
  tokenizer_files.write(str(tmp_path), SMALL, CONFIG, 9)
  assert tokenizer_files.read(str(tmp_path)) == (SMALL, CONFIG)
  (tmp_path / "vocab.txt").unlink()
  (tmp_path / "tokenizer_config.json").unlink()
  assert tokenizer_files.read(str(tmp_path)) == (SMALL, CONFIG)


def test_vocabulary_alone_means_berts_defaults(tmp_path):
  tokenizer_files.write_vocabulary(str(tmp_path), SMALL)
  config = tokenizer_config.TokenizerConfig()
  assert tokenizer_files.read(str(tmp_path)) == (SMALL, config)


def _refused(folder) -> str:
  return testing.refused(tokenizer_files.read, str(folder))


NO_WORD_PIECE = "model in {0} must be a WordPiece with a vocab. Received: {1}"


@pytest.mark.parametrize(
  ("model", "message"),
  [
    (None, NO_WORD_PIECE),
    ({"type": "BPE", "vocab": {"a": 0}}, NO_WORD_PIECE),
    (
      {"type": "WordPiece", "vocab": {"a": 0, "b": 2}},
      "model.vocab in {0} must give every id once, from 0. "
      "Received: 2 tokens with other ids",
    ),
    (
      {"type": "WordPiece", "vocab": {"a\nb": 0}},
      "model.vocab in {0} must have tokens that are lines of a vocab.txt. "
      "Received: 'a\\nb'",
    ),
    (
      {"type": "WordPiece", "vocab": {"a": 0}},
      "vocab_file must contain [PAD] [UNK] [CLS] [SEP] [MASK]. Received: "
      "'{0}' without [PAD] [UNK] [CLS] [SEP] [MASK]",
    ),
  ],
)
def test_useless_tokenizer_json(tmp_path, model, message):
  path = tmp_path / "tokenizer.json"
  path.write_text(json.dumps({"model": model}))
  assert _refused(tmp_path) == message.format(path, model)


def test_no_tokenizer(tmp_path):
  assert _refused(tmp_path) == (
    "--input must hold vocab.txt or tokenizer.json. Received: "
    f"'{tmp_path}' without them"
  )


def test_chinese_characters_that_are_not_set_apart(tmp_path):
  tokenizer_files.write_vocabulary(str(tmp_path), SMALL)
  path = tmp_path / "tokenizer_config.json"
  path.write_text('{"tokenize_chinese_chars": false}')
  message = f"tokenize_chinese_chars in {tmp_path} must be true: BERT's "
  assert _refused(tmp_path).startswith(message)
