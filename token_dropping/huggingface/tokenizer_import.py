# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of a Hugging Face folder: as ours, or refused by name.

What it is, the `AutoTokenizer` of `transformers` says; that needs no PyTorch.
"""

import json
import os

import tensorflow as tf
import tokenizers
import transformers

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data.text import random_text
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import network as network_lib
from token_dropping.huggingface import tokenizer_files

_READABLE = "--input must be readable"
_WHOLE = tokenizer_files.WHOLE
# Other values make other ids, if only in some version of `transformers`.
_SETTINGS = {
  "tokenizer_class": (
    "BertTokenizer",
    "BertTokenizerFast",
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
  ),
  "do_basic_tokenize": (True,),
  "never_split": ("unset", []),
  "word_tokenizer_type": ("basic",),
  "subword_tokenizer_type": ("wordpiece",),
  "auto_map": ("unset",),
}
# Settings that some classes read instead of the normalizer's keys.
_NORMALIZER_KEYS = {
  "do_lower_case": "lowercase",
  "strip_accents": "strip_accents",
  "tokenize_chinese_chars": "handle_chinese_chars",
}
_STRINGS = 1000  # random ones, besides those of all tokens


def read(
  folder: str, network: network_lib.Network
) -> tuple[
  vocabulary.Vocabulary,
  tokenizer_config.TokenizerConfig,
  transformers.PreTrainedTokenizerBase,
]:
  """Returns the vocabulary, how text is normalized, and the `AutoTokenizer`.

  Raises `UserError`, with the setting's name, where ours cannot be like it.
  """
  model = _read_settings(folder, "config.json")
  settings = _read_settings(folder, tokenizer_config.FILE)
  loaded = _load(folder, model, network)
  _check_tokens(loaded, folder)
  words = _read_vocabulary(folder, loaded)
  made = json.loads(loaded.backend_tokenizer.to_str())
  normalizer = made["normalizer"] or {}
  config = tokenizer_config.TokenizerConfig(
    bool(normalizer.get("lowercase")), normalizer.get("strip_accents")
  )
  own = json.loads(tokenizer_files.build(words, config).to_str())
  _check_parts(made, own, f"the AutoTokenizer of {folder}")
  path = os.path.join(folder, _WHOLE)
  if os.path.exists(path):
    written = json.loads(tokenizers.Tokenizer.from_file(path).to_str())
    told = {
      there: normalizer.get(there)
      for here, there in _NORMALIZER_KEYS.items()
      if here in settings
    }
    written["normalizer"] = (written["normalizer"] or {}) | told
    _check_parts(written, own, path)
  return words, config, loaded


def check_ids(
  own: tokenizer_lib.Tokenizer,
  loaded: transformers.PreTrainedTokenizerBase,
  folder: str,
) -> None:
  """Compares ids of random text and of all tokens of the vocabulary.

  "[SEP]" in a text is text to ours; to `transformers` if told so.
  """
  texts = random_text.make_strings(0, number=_STRINGS)
  texts += random_text.join_tokens(own.vocab.tokens, 0)
  here = own.tokenize(tf.constant(texts)).to_list()
  apart = {"add_special_tokens": False, "split_special_tokens": True}
  # Not verbose: it would warn of texts longer than the model takes.
  there = loaded(texts, truncation=False, verbose=False, **apart)["input_ids"]
  pair = own.encode([tf.constant(["a"]), tf.constant(["b"])])
  names = {"input_ids": "input_word_ids", "token_type_ids": "input_type_ids"}
  framed = loaded("a", "b", return_token_type_ids=True)
  texts += names
  here += [pair[name].numpy()[0].tolist() for name in names.values()]
  there += [framed[name] for name in names]
  for text, one, other in zip(texts, here, there, strict=True):
    errors.require(
      one == other,
      f"the tokenizer of {folder} must make the ids that BERT's makes, "
      f"{errors.shorten(one)} of {errors.shorten(text)}",
      errors.shorten(other),
    )


def _read_settings(folder: str, name: str) -> dict:
  """Returns `config.json` or `tokenizer_config.json`, if they are there."""
  path = os.path.join(folder, name)
  content = files.read_json(path, _READABLE) if os.path.exists(path) else {}
  for key, allowed in _SETTINGS.items():
    value = content.get(key)
    rule = f"{key} in {path} must be {' or '.join(map(str, allowed))}"
    is_ours = value is None or value in allowed
    errors.require(is_ours, rule, errors.shorten(value))
  return content


def _load(
  folder: str, model: dict, network: network_lib.Network
) -> transformers.PreTrainedTokenizerBase:
  """Loads the folder's `AutoTokenizer`, from this machine and without its code.

  The model's kind is given, since the oldest `config.json` do not say it.
  """
  kind = transformers.CONFIG_MAPPING[network.model_type]
  errors.require(
    any(
      os.path.exists(os.path.join(folder, name))
      for name in (vocabulary.FILE, _WHOLE)
    ),
    f"--input must hold {vocabulary.FILE} or {_WHOLE}",
    f"{folder!r} without them",
  )
  try:
    return transformers.AutoTokenizer.from_pretrained(
      folder,
      config=kind.from_dict(model),
      local_files_only=True,
      trust_remote_code=False,
    )
  except Exception as error:  # a broken file may raise any
    reason = errors.shorten(errors.first_line(error))
    raise errors.UserError(
      "--input must hold what AutoTokenizer loads: a config.json and a "
      f"tokenizer. Received: {folder!r} ({reason})"
    ) from error


def _check_tokens(
  loaded: transformers.PreTrainedTokenizerBase, folder: str
) -> None:
  """Refuses other special tokens, and tokens found before text is split."""
  for role, token in tokenizer_files.ROLES.items():
    found = getattr(loaded, role)
    rule = f"{role} of {folder} must be {token}"
    errors.require(found in (None, token), rule, repr(found))
  added = [token.content for token in loaded.added_tokens_decoder.values()]
  added = [token for token in added if token not in vocabulary.SPECIAL_TOKENS]
  errors.require(
    not added,
    f"{folder} must have no added tokens, which are found inside words too, "
    f"besides {' '.join(vocabulary.SPECIAL_TOKENS)}",
    errors.shorten(added),
  )


def _read_vocabulary(
  folder: str, loaded: transformers.PreTrainedTokenizerBase
) -> vocabulary.Vocabulary:
  """Returns the `AutoTokenizer`'s, which a `vocab.txt` must hold, too."""
  theirs = loaded.get_vocab()
  tokens = sorted(theirs, key=theirs.get)
  path = os.path.join(folder, vocabulary.FILE)
  if os.path.exists(path):
    words = vocabulary.Vocabulary.from_file(path)
  else:
    lines = "".join(f"{token}\n" for token in tokens)
    words = vocabulary.Vocabulary.from_bytes(lines.encode(), folder)
  ids = {vocabulary.trim(token): theirs[token] for token in tokens}
  errors.require(
    words.ids == ids,
    f"the AutoTokenizer of {folder} must have the lines of a "
    f"{vocabulary.FILE} as tokens and their places as ids",
    errors.shorten(sorted(words.ids.items() ^ ids.items())),
  )
  return words


def _check_parts(made: dict, own: dict, source: str) -> None:
  """Refuses a tokenizer that is put together in another way than ours."""
  for part in tokenizer_files.PARTS:
    for key, value in own[part].items():
      found = (made[part] or {}).get(key)
      if key != "vocab":
        rule = f"{part}.{key} of {source} must be {value!r}"
        errors.require(found == value, rule, errors.shorten(found))
