# SPDX-License-Identifier: Apache-2.0
"""The text to explain: given, in a file, or the run's validation records."""

import dataclasses
import os

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.explain import sequences as sequences_lib
from token_dropping.explain import validation_text
from token_dropping.training import trained_run

# A file is read no further than this for every token that is shown; English
# has 4 to 5 bytes a token.
_BYTES_PER_TOKEN = 16


@dataclasses.dataclass(frozen=True)
class SourceText:
  """What is explained.

  Attributes:
    name: where it comes from, for people.
    sequences: the text; at least one token is not special.
    cut: whether there was more than the bound allows.
  """

  name: str
  sequences: list[sequences_lib.TextSequence]
  cut: bool


def from_string(
  run: trained_run.TrainedRun, text: str, name: str, max_sequences: int
) -> SourceText:
  """Cuts a text into sequences of the run's length.

  Args:
    run: whose tokenizer and length are used.
    text: any.
    name: where it comes from, the flag of it.
    max_sequences: int, how many are used.

  Raises:
    UserError: no token in it.
  """
  tokenizer = tokenizer_lib.Tokenizer(run.vocabulary, run.tokenizer_config)
  found = sequences_lib.from_text(text, tokenizer, seq_length(run))
  errors.require(
    any(not sequence.special.all() for sequence in found),
    f"{name} must hold at least one token of the vocabulary",
    errors.shorten(text),
  )
  return SourceText(name, found[:max_sequences], len(found) > max_sequences)


def from_file(
  run: trained_run.TrainedRun, path: str, max_sequences: int
) -> SourceText:
  """Reads the beginning of a text file, as much as is used.

  Args:
    run: whose tokenizer and length are used.
    path: UTF-8 text, local or on any filesystem TensorFlow knows.
    max_sequences: int, how many sequences are used.

  Raises:
    UserError: unreadable, not UTF-8, or without a token.
  """
  limit = _BYTES_PER_TOKEN * max_sequences * seq_length(run)
  try:
    with tf.io.gfile.GFile(path, "rb") as file:
      content = file.read(limit + 1)
  except tf.errors.OpError as error:
    raise errors.UserError(
      f"--input must be a readable file. Received: {path!r} "
      f"({errors.first_line(error)})"
    ) from error
  whole = len(content) <= limit
  try:
    # What was cut off may end inside a character.
    text = content[:limit].decode("utf-8", "strict" if whole else "ignore")
  except UnicodeDecodeError as error:
    raise errors.UserError(
      f"--input must be UTF-8 text. Received: {path!r} ({error.reason} at "
      f"byte {error.start})"
    ) from error
  found = from_string(run, text, f"--input={path}", max_sequences)
  return dataclasses.replace(found, cut=found.cut or not whole)


def from_validation(
  run: trained_run.TrainedRun, max_sequences: int
) -> SourceText:
  """Takes the run's first validation records.

  Args:
    run: whose records are read, where they were when it was trained.
    max_sequences: int, how many sequences are used.

  Raises:
    UserError: they are not there, or cannot be read.
  """
  data = pretrain_data.PretrainDataConfig()
  data.override(run.task.get("validation_data") or {}, is_strict=False)
  if not data.vocab_file:
    data.vocab_file = os.path.join(run.model_dir, trained_run.VOCAB)
  try:
    found = validation_text.read(data, run.vocabulary, max_sequences)
  except errors.UserError as error:
    raise errors.UserError(
      "--text or --input must be set where the run's validation records are "
      f"not within reach: {error}"
    ) from error
  name = f"validation records, {errors.shorten(data.input_path)}"
  return SourceText(name, found, True)


def seq_length(run: trained_run.TrainedRun) -> int:
  """Returns S, the length of the sequences that the run was trained with."""
  data = run.task.get("train_data") or {}
  return data.get("seq_length") or run.encoder.max_position_embeddings
