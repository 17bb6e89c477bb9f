# SPDX-License-Identifier: Apache-2.0
"""The tokenizer's files of a Hugging Face folder.

`vocab.txt` and `tokenizer_config.json` make the tokenizer of older versions of
`transformers`, `tokenizer.json` that of newer ones.
"""

import dataclasses
import json
import os
from collections.abc import Callable

import tensorflow as tf
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

WHOLE = "tokenizer.json"
ROLES = {
  "pad_token": vocabulary.PAD,
  "unk_token": vocabulary.UNK,
  "cls_token": vocabulary.CLS,
  "sep_token": vocabulary.SEP,
  "mask_token": vocabulary.MASK,
}
# Parts of `tokenizer.json`: all that makes ids of text, but for the vocabulary.
PARTS = ("normalizer", "pre_tokenizer", "model")
_LONGEST_WORD = 100  # characters; a longer one is [UNK]


def write(
  folder: str,
  words: vocabulary.Vocabulary,
  config: tokenizer_config.TokenizerConfig,
  fields: dict,
) -> None:
  """Writes `vocab.txt` and three JSON files; `fields` are of the network."""
  fields = {
    "tokenizer_class": "BertTokenizer",
    **fields,
    "tokenize_chinese_chars": True,
    **dataclasses.asdict(config),
    **ROLES,
  }
  write_vocabulary(folder, words)
  path = os.path.join(folder, tokenizer_config.FILE)
  files.write_json(path, fields, ensure_ascii=False)
  path = os.path.join(folder, "special_tokens_map.json")
  files.write_json(path, ROLES, ensure_ascii=False)
  build(words, config).save(os.path.join(folder, WHOLE))


def write_vocabulary(folder: str, words: vocabulary.Vocabulary) -> None:
  """Writes `vocab.txt`."""
  lines = [f"{token}\n" for token in words.tokens]
  files.write(os.path.join(folder, vocabulary.FILE), "".join(lines))


def read_model(
  folder: str, name: str, read_file: Callable, build: Callable
) -> tf.Module:
  """Reads a tokenizer of a folder from its file of a name.

  Raises `UserError` where that is not there, or `tokenizer.json` is not what is
  built of it.
  """
  path, whole = os.path.join(folder, name), os.path.join(folder, WHOLE)
  rule = f"--input must hold {name}, as an export does: other tokenizers split "
  rule += "text in another way"
  errors.require(os.path.exists(path), rule, f"{folder!r} without it")
  tokenizer = read_file(path)
  content = files.read_json(whole, "--input must be readable")
  own = json.loads(build(tokenizer).to_str())
  same = all(content.get(part) == own[part] for part in PARTS)
  rule = f"{whole} must be the tokenizer of the {name} beside it"
  errors.require(same, rule, "another")
  return tokenizer


def build(
  words: vocabulary.Vocabulary, config: tokenizer_config.TokenizerConfig
) -> tokenizers.Tokenizer:
  """Returns BERT's tokenizer of the `tokenizers` package."""
  model = models.WordPiece(
    words.ids, unk_token=vocabulary.UNK, max_input_chars_per_word=_LONGEST_WORD
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
