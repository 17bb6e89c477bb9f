# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of fine-tuning data: that of the pretraining run."""

import dataclasses

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config


def read(
  settings: finetune_settings.FinetuneSettings,
) -> tokenizer_lib.Tokenizer:
  """Reads the tokenizer that the settings name, which is that of serving."""
  folder = settings.pretrained
  for name in (vocabulary.FILE, tokenizer_config.FILE) if folder else ():
    errors.require(
      files.exists(files.join(folder, name)),
      "pretrained must be the folder of a pretraining run with "
      f"{vocabulary.FILE} and {tokenizer_config.FILE}; give vocab_file for "
      "another",
      f"{folder!r} without {name}",
    )
  vocab = vocabulary.Vocabulary.from_file(_vocab_file(settings))
  if folder:
    config = tokenizer_config.TokenizerConfig.from_folder(folder)
  else:
    names = ("do_lower_case", "strip_accents")
    given = {name: getattr(settings, name) for name in names}
    config = tokenizer_config.TokenizerConfig(
      **{name: value for name, value in given.items() if value is not None}
    )
  return tokenizer_lib.Tokenizer(vocab, config)


def describe(
  tokenizer: tokenizer_lib.Tokenizer,
  settings: finetune_settings.FinetuneSettings,
) -> dict:
  """Returns what decides about the ids, for the card."""
  return {
    **dataclasses.asdict(tokenizer.config),
    "vocab_size": len(tokenizer.vocab),
    "vocab_crc32": files.describe(_vocab_file(settings))["crc32"],
  }


def save(
  tokenizer: tokenizer_lib.Tokenizer,
  settings: finetune_settings.FinetuneSettings,
  folder: str,
) -> None:
  """Writes both files, so that the folder can be read without the run."""
  files.copy(_vocab_file(settings), files.join(folder, vocabulary.FILE))
  tokenizer.config.write(folder)


def _vocab_file(settings) -> str:
  folder = settings.pretrained
  return files.join(folder, vocabulary.FILE) if folder else settings.vocab_file
