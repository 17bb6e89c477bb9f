# SPDX-License-Identifier: Apache-2.0
"""The tokenizer's files of a Hugging Face folder, written and read.

`vocab.txt` and `tokenizer_config.json` make the tokenizer of older versions of
`transformers`, `tokenizer.json` that of newer ones.
"""

import dataclasses
import os

import tokenizers
from tokenizers import decoders
from tokenizers import models
from tokenizers import normalizers
from tokenizers import pre_tokenizers
from tokenizers import processors

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config

_WHOLE = "tokenizer.json"
_READABLE = "--input must be readable"
_ROLES = {
  "pad_token": vocabulary.PAD,
  "unk_token": vocabulary.UNK,
  "cls_token": vocabulary.CLS,
  "sep_token": vocabulary.SEP,
  "mask_token": vocabulary.MASK,
}
_CHINESE = "tokenize_chinese_chars"
# Keys of `tokenizer_config.json`, and of the normalizer in `tokenizer.json`.
_NORMALIZER_KEYS = {
  "do_lower_case": "lowercase",
  "strip_accents": "strip_accents",
  _CHINESE: "handle_chinese_chars",
}
_LONGEST_WORD = 100  # characters; a longer one is [UNK]


def write(
  folder: str,
  words: vocabulary.Vocabulary,
  config: tokenizer_config.TokenizerConfig,
  max_length: int,
) -> None:
  """Writes `vocab.txt` and the three JSON files of a model of some length."""
  fields = {
    "tokenizer_class": "BertTokenizer",
    "model_max_length": max_length,
    _CHINESE: True,
    **dataclasses.asdict(config),
    **_ROLES,
  }
  write_vocabulary(folder, words)
  path = os.path.join(folder, tokenizer_config.FILE)
  files.write_json(path, fields, ensure_ascii=False)
  path = os.path.join(folder, "special_tokens_map.json")
  files.write_json(path, _ROLES, ensure_ascii=False)
  _tokenizer(words, config).save(os.path.join(folder, _WHOLE))


def write_vocabulary(folder: str, words: vocabulary.Vocabulary) -> None:
  """Writes `vocab.txt`."""
  lines = [f"{token}\n" for token in words.tokens]
  files.write(os.path.join(folder, vocabulary.FILE), "".join(lines))


def read(
  folder: str,
) -> tuple[vocabulary.Vocabulary, tokenizer_config.TokenizerConfig]:
  """Reads the vocabulary and how text is normalized.

  Of `tokenizer_config.json`, then `tokenizer.json`, then BERT's defaults.
  """
  path = os.path.join(folder, _WHOLE)
  whole = files.read_json(path, _READABLE) if os.path.exists(path) else {}
  return _read_vocabulary(folder, whole), _read_config(folder, whole)


def _read_vocabulary(folder: str, whole: dict) -> vocabulary.Vocabulary:
  path = os.path.join(folder, vocabulary.FILE)
  if os.path.exists(path):
    return vocabulary.Vocabulary.from_file(path)
  rule = f"--input must hold {vocabulary.FILE} or {_WHOLE}"
  errors.require(whole, rule, f"{folder!r} without them")
  path, model = os.path.join(folder, _WHOLE), whole.get("model")
  ids = model.get("vocab") if isinstance(model, dict) else None
  errors.require(
    isinstance(ids, dict) and model.get("type") == "WordPiece",
    f"model in {path} must be a WordPiece with a vocab",
    errors.shorten(model),
  )
  errors.require(
    sorted(ids.values()) == list(range(len(ids))),
    f"model.vocab in {path} must give every id once, from 0",
    f"{len(ids)} tokens with other ids",
  )
  for token in ids:
    errors.require(
      "\n" not in token and not token.endswith("\r"),
      f"model.vocab in {path} must have tokens that are lines of a vocab.txt",
      repr(token),
    )
  return vocabulary.Vocabulary.from_tokens(sorted(ids, key=ids.get), path)


def _read_config(folder: str, whole: dict) -> tokenizer_config.TokenizerConfig:
  fields = {}
  normalizer = whole.get("normalizer")
  if isinstance(normalizer, dict):
    fields = {k: normalizer.get(there) for k, there in _NORMALIZER_KEYS.items()}
  path = os.path.join(folder, tokenizer_config.FILE)
  if os.path.exists(path):
    fields |= files.read_json(path, _READABLE)
  errors.require(
    fields.get(_CHINESE) is not False,
    f"{_CHINESE} in {folder} must be true: BERT's tokenizer here makes each "
    "Chinese character a word",
    False,
  )
  known = {k: fields[k] for k in _NORMALIZER_KEYS if fields.get(k) is not None}
  return tokenizer_config.TokenizerConfig.from_dict(known, path)


def _tokenizer(
  words: vocabulary.Vocabulary, config: tokenizer_config.TokenizerConfig
) -> tokenizers.Tokenizer:
  """Builds the tokenizer of the `tokenizers` package."""
  model = models.WordPiece(
    {token: index for index, token in enumerate(words.tokens)},
    unk_token=vocabulary.UNK,
    max_input_chars_per_word=_LONGEST_WORD,
  )
  tokenizer = tokenizers.Tokenizer(model)
  tokenizer.normalizer = normalizers.BertNormalizer(
    lowercase=config.do_lower_case, strip_accents=config.strip_accents
  )
  tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
  tokenizer.decoder = decoders.WordPiece()
  start, end = vocabulary.CLS, vocabulary.SEP
  tokenizer.post_processor = processors.TemplateProcessing(
    single=f"{start}:0 $A:0 {end}:0",
    pair=f"{start}:0 $A:0 {end}:0 $B:1 {end}:1",
    special_tokens=[(token, words.id(token)) for token in (start, end)],
  )
  tokenizer.add_special_tokens(list(vocabulary.SPECIAL_TOKENS))
  return tokenizer
