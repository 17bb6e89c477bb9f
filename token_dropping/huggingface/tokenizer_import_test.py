# SPDX-License-Identifier: Apache-2.0
"""A folder's tokenizer is read as `AutoTokenizer` reads it, or refused."""

import json

import pytest

from tests import testing
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import bert
from token_dropping.huggingface import tokenizer_files
from token_dropping.huggingface import tokenizer_import

SMALL = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, "a", "##b"))
CONFIG = tokenizer_config.TokenizerConfig(False, True)
FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}


def _read(folder):
  *own, loaded = tokenizer_import.read(str(folder), bert.Bert())
  tokenizer_import.check_ids(tokenizer.Tokenizer(*own), loaded, str(folder))
  return tuple(own)


def _edit(path, **changes) -> None:
  content = json.loads(path.read_text()) if path.exists() else {}
  for name, value in changes.items():
    if isinstance(value, dict) and isinstance(content.get(name), dict):
      value = content[name] | value
    content[name] = value
  path.write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
  tokenizer_files.write(str(tmp_path), SMALL, CONFIG, {})
  return tmp_path


def test_there_and_back(folder):
  assert _read(folder) == (SMALL, CONFIG)
  (folder / "vocab.txt").unlink()
  assert _read(folder) == (SMALL, CONFIG)


def test_settings_that_a_class_does_not_read(folder):
  _edit(folder / "tokenizer_config.json", **FAST, do_lower_case=True)
  assert _read(folder) == (SMALL, CONFIG)


@pytest.mark.parametrize("last", ["\u2028", "a", "a "])
def test_vocabulary_alone_means_berts_defaults(tmp_path, last):
  words = vocabulary.Vocabulary((*SMALL.tokens, last))
  tokenizer_files.write_vocabulary(str(tmp_path), words)
  assert _read(tmp_path) == (words, tokenizer_config.TokenizerConfig())


@pytest.mark.parametrize(
  ("changes", "rule", "received"),
  [
    ({"do_basic_tokenize": False}, "must be True", "False"),
    ({"never_split": ["a"]}, "must be unset or []", "['a']"),
    ({"word_tokenizer_type": "mecab"}, "must be basic", "'mecab'"),
    ({"auto_map": {"a": "b"}}, "must be unset", "{'a': 'b'}"),
    (
      {"tokenizer_class": "BertJapaneseTokenizer"},
      "must be BertTokenizer or BertTokenizerFast or "
      "PreTrainedTokenizerFast or TokenizersBackend",
      "'BertJapaneseTokenizer'",
    ),
  ],
)
def test_settings_of_other_tokenizers(folder, changes, rule, received):
  path = folder / "tokenizer_config.json"
  _edit(path, **changes)
  (name,) = changes
  message = f"{name} in {path} {rule}. Received: {received}"
  assert testing.refused(_read, folder) == message


@pytest.mark.parametrize(
  ("part", "changes", "message"),
  [
    (
      "normalizer",
      {"type": "Lowercase"},
      "normalizer.type of {} must be 'BertNormalizer'. Received: 'Lowercase'",
    ),
    (
      "pre_tokenizer",
      {"type": "Whitespace"},
      "pre_tokenizer.type of {} must be 'BertPreTokenizer'. "
      "Received: 'Whitespace'",
    ),
    (
      "model",
      {"max_input_chars_per_word": 9},
      "model.max_input_chars_per_word of {} must be 100. Received: 9",
    ),
  ],
)
def test_other_parts(folder, part, changes, message):
  """`BertTokenizer` would pass over them; as it is, the file says otherwise."""
  path = folder / "tokenizer.json"
  _edit(path, **{part: changes})
  assert testing.refused(_read, folder) == message.format(path)
  _edit(folder / "tokenizer_config.json", **FAST)
  whole = f"the AutoTokenizer of {folder}"
  assert testing.refused(_read, folder) == message.format(whole)


def test_chinese_characters_that_are_not_set_apart(folder):
  _edit(folder / "tokenizer_config.json", tokenize_chinese_chars=False)
  assert testing.refused(_read, folder) == (
    f"normalizer.handle_chinese_chars of the AutoTokenizer of {folder} must be "
    "True. Received: False"
  )


def test_other_frame(folder):
  """Its ids of text are ours."""
  frame = {"type": "BertProcessing", "cls": ["[SEP]", 3], "sep": ["[CLS]", 2]}
  path = folder / "tokenizer.json"
  _edit(path, post_processor=None)
  _edit(path, post_processor=frame)
  _edit(folder / "tokenizer_config.json", **FAST)
  assert testing.refused(_read, folder) == (
    f"the tokenizer of {folder} must make the ids that BERT's makes, "
    "[2, 5, 3, 1, 3] of 'input_ids'. Received: [3, 5, 2, 1, 2]"
  )


def test_added_tokens(folder):
  (folder / "tokenizer.json").unlink()
  (folder / "added_tokens.json").write_text('{"covid": 7}')
  assert testing.refused(_read, folder) == (
    f"{folder} must have no added tokens, which are found inside words too, "
    "besides [PAD] [UNK] [CLS] [SEP] [MASK]. Received: ['covid']"
  )


VOCABULARY = (
  "the AutoTokenizer of {} must have the lines of a vocab.txt as tokens and "
  "their places as ids. Received: "
)


def test_two_vocabularies(folder):
  path = folder / "vocab.txt"
  testing.write_vocabulary(path, (*vocabulary.SPECIAL_TOKENS, "##b", "a"))
  assert testing.refused(_read, folder) == (
    VOCABULARY.format(folder) + "[('##b', 5), ('##b', 6), ('a', 5), ('a', 6)]"
  )


@pytest.mark.parametrize(
  ("vocab", "received"),
  [
    ({"a": 9}, "[('##b', 5), ('##b', 6), ('a', 6), ('a', 9)]"),
    ({"a\n": 7}, "[('', 8)]"),
  ],
)
def test_useless_vocabulary(folder, vocab, received):
  (folder / "vocab.txt").unlink()
  vocab = SMALL.ids | vocab
  _edit(folder / "tokenizer.json", model={"vocab": vocab})
  message = VOCABULARY.format(folder) + received
  assert testing.refused(_read, folder) == message


def test_no_tokenizer(tmp_path):
  assert testing.refused(_read, tmp_path) == (
    "--input must hold vocab.txt or tokenizer.json. Received: "
    f"'{tmp_path}' without them"
  )


def test_broken_tokenizer(folder):
  (folder / "tokenizer.json").write_text("{}")
  assert testing.refused(_read, folder).startswith(
    "--input must hold what AutoTokenizer loads: a config.json and a tokenizer."
    f" Received: '{folder}' ("
  )
