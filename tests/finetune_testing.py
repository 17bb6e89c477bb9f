# SPDX-License-Identifier: Apache-2.0
"""A small vocabulary and small files for tests of fine-tuning data."""

import functools
import json
import pathlib
from collections.abc import Iterable, Mapping

import tensorflow as tf

from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config

# From id 5 on.
WORDS = (
  *("the", "cat", "dog", "sat", "ran", "##s", "##ning", "on", "mat", "."),
  *(",", "?", "who", "where", "paris", "is", "in", "france", "(", ")"),
)
VOCAB = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, *WORDS))


def ids(text: str) -> list[int]:
  """Returns the ids of tokens that are written with spaces between them."""
  return [VOCAB.id(token) for token in text.split()]


@functools.cache
def tokenizer() -> tokenizer_lib.Tokenizer:
  """Returns a tokenizer of the small vocabulary that folds case."""
  return tokenizer_lib.Tokenizer(VOCAB, tokenizer_config.TokenizerConfig())


def write_vocabulary(folder: pathlib.Path) -> str:
  """Writes `vocab.txt`; returns its path."""
  path = folder / "vocab.txt"
  path.write_text("".join(f"{token}\n" for token in VOCAB.tokens), "utf-8")
  return str(path)


def write_lines(path: pathlib.Path, *lines: str) -> str:
  """Writes a text file; returns its path."""
  path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
  return str(path)


def write_glue(folder: pathlib.Path, files: Mapping[str, Iterable[str]]) -> str:
  """Writes the files of a task, by name; returns the folder."""
  folder.mkdir(exist_ok=True)
  for name, lines in files.items():
    write_lines(folder / name, *lines)
  return str(folder)


def question(name: str, text: str, *answers: tuple[str, int]) -> dict:
  """Returns a question of SQuAD's JSON; without answers it is impossible."""
  return {
    "id": name,
    "question": text,
    "is_impossible": not answers,
    "answers": [{"text": t, "answer_start": s} for t, s in answers],
  }


def write_squad(path: pathlib.Path, *paragraphs: tuple[str, list]) -> str:
  """Writes SQuAD's JSON of contexts and their questions; returns the path."""
  content = [{"context": text, "qas": asked} for text, asked in paragraphs]
  data = {"version": "v2.0", "data": [{"title": "", "paragraphs": content}]}
  path.write_text(json.dumps(data), "utf-8")
  return str(path)


def mock_squad(builder, **options) -> tf.data.Dataset:
  """Returns two rows; `as_dataset_fn` of `tfds.testing.mock_data`.

  Its own rows have answers whose texts and places differ in number.
  """
  del builder, options
  rows = {
    "id": ["1", "2"],
    "context": ["the cat sat", "the dog"],
    "question": ["who", "where"],
    "answers": {"text": [["cat"], ["dog"]], "answer_start": [[4], [4]]},
    "is_impossible": [False, True],
  }
  return tf.data.Dataset.from_tensor_slices(rows)
