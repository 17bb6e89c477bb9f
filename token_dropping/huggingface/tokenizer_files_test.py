# SPDX-License-Identifier: Apache-2.0
"""`transformers`' tokenizer makes the ids that ours makes."""

import pytest
import tensorflow as tf
import transformers

from tests import tokenizer_testing
from token_dropping.common import vocabulary
from token_dropping.data.text import random_text
from token_dropping.data.text import tokenizer
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import tokenizer_files

SMALL = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, "a", "##b"))
CONFIG = tokenizer_config.TokenizerConfig(False, True)


@pytest.fixture(scope="module")
def strings() -> list[str]:
  return random_text.make_strings(5)


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
    tokenizer_files.write(str(folder), vocab, config, {"model_max_length": 512})
    (folder / without).unlink()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    loaded = transformers.AutoTokenizer.from_pretrained(folder)
    # "[SEP]" in a text is text to ours; to `transformers` if told so.
    apart = {"add_special_tokens": False, "split_special_tokens": True}
    theirs = loaded(strings, **apart)["input_ids"]
    tokenizer_testing.assert_same(strings, own, theirs)


def test_pairs_and_special_tokens(tmp_path):
  tokenizer_files.write(str(tmp_path), SMALL, CONFIG, {"model_max_length": 9})
  loaded = transformers.BertTokenizer.from_pretrained(tmp_path)
  there = loaded("a ab", "[MASK]")
  assert there["input_ids"] == [2, 5, 5, 6, 3, 4, 3]
  assert there["token_type_ids"] == [0, 0, 0, 0, 0, 1, 1]
  assert loaded.model_max_length == 9
  assert loaded.decode([5, 6, 5]) == "ab a"
