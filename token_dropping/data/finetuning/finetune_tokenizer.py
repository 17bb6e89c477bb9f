# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of fine-tuning data: that of the pretraining run."""

import dataclasses
import os

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import text_tables
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config

VOCABULARY = "vocab.txt"


@dataclasses.dataclass(frozen=True)
class TokenizerFiles:
  """A vocabulary, its file, and how text is folded before it is looked up."""

  vocab_file: str
  vocab: vocabulary.Vocabulary
  config: tokenizer_config.TokenizerConfig

  @classmethod
  def from_settings(
    cls, settings: finetune_settings.FinetuneSettings
  ) -> "TokenizerFiles":
    """Reads the files that the settings name.

    Raises:
      UserError: a file is missing or wrong.
    """
    if settings.pretrained:
      return cls.from_run(settings.pretrained)
    names = ("do_lower_case", "strip_accents")
    given = {name: getattr(settings, name) for name in names}
    return cls(
      settings.vocab_file,
      vocabulary.Vocabulary.from_file(settings.vocab_file),
      tokenizer_config.TokenizerConfig(
        **{name: value for name, value in given.items() if value is not None}
      ),
    )

  @classmethod
  def from_run(cls, folder: str) -> "TokenizerFiles":
    """Reads the files of a pretraining run, or of prepared data."""
    for name in (VOCABULARY, tokenizer_config.FILE):
      errors.require(
        tf.io.gfile.exists(os.path.join(folder, name)),
        "pretrained must be the folder of a pretraining run with "
        f"{VOCABULARY} and {tokenizer_config.FILE}; give vocab_file for "
        "another",
        f"{folder!r} without {name}",
      )
    vocab_file = os.path.join(folder, VOCABULARY)
    return cls(
      vocab_file,
      vocabulary.Vocabulary.from_file(vocab_file),
      tokenizer_config.TokenizerConfig.from_folder(folder),
    )

  def tokenizer(self) -> tokenizer_lib.Tokenizer:
    """Returns the tokenizer, which is that of the serving graph."""
    return tokenizer_lib.Tokenizer(self.vocab, self.config)

  def describe(self) -> dict:
    """Returns what decides about the ids, for the card."""
    content = text_tables.describe(self.vocab_file, "vocab_file")
    return {
      **dataclasses.asdict(self.config),
      "vocab_size": len(self.vocab),
      "vocab_crc32": content["crc32"],
    }

  def save(self, folder: str) -> None:
    """Writes both files, so that the folder can be read without the run."""
    tf.io.gfile.copy(self.vocab_file, os.path.join(folder, VOCABULARY))
    self.config.write(folder)
