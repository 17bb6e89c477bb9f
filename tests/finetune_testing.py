# SPDX-License-Identifier: Apache-2.0
"""Small vocabularies, files and data of fine-tuning; experiments on them."""

import functools
import pathlib
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from tests import config_testing
from tests import testing
from token_dropping.common import vocabulary
from token_dropping.data import finetune
from token_dropping.data import records
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config

RATE = "trainer.optimizer_config.learning_rate.polynomial.initial_learning_rate"
GLUE, SQUAD = "bert/token_drop_glue", "bert/token_drop_squad"
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
  return testing.write_vocabulary(folder / "vocab.txt", VOCAB.tokens)


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


def read(path: pathlib.Path) -> list[dict]:
  """Returns the features of the records of a file, as lists."""
  found = records.read_records(str(path))
  return [{k: v.tolist() for k, v in record.items()} for record in found]


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
  return testing.write_json(path, data)


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


def write_table(path: pathlib.Path, rows: int, labels=("bad", "good")) -> str:
  """Writes a table of texts whose words tell the label; returns its path."""
  rng = np.random.default_rng(rows)
  lines = ["text\tlabel"]
  for row in range(rows):
    words = rng.integers(0, 5, 5) + 20 * (row % 2)
    lines.append(" ".join(map("word{}".format, words)) + f"\t{labels[row % 2]}")
  return write_lines(path, *lines)


def prepare(folder: pathlib.Path, pretrained: pathlib.Path, **settings) -> str:
  """Makes records of `testing.SEQ_LENGTH` in `folder`; returns it."""
  finetune.prepare(
    finetune_settings.FinetuneSettings(
      pretrained=str(pretrained),
      output_dir=str(folder),
      **({"seq_length": testing.SEQ_LENGTH} | settings),
    )
  )
  return str(folder)


def prepare_classes(folder: pathlib.Path, pretrained: pathlib.Path) -> str:
  """Makes data of two classes: 24 examples, 10 to validate."""
  tables = folder.parent
  return prepare(
    folder,
    pretrained,
    task="classification",
    train_file=write_table(tables / "train.tsv", 24),
    validation_file=write_table(tables / "validation.tsv", 10),
  )


def prepare_spans(folder: pathlib.Path, pretrained: pathlib.Path) -> str:
  """Makes data of SQuAD 2.0: two questions, the second without answer."""
  context = " ".join(f"word{i}" for i in range(9))
  answer = ("word3 word4", context.index("word3"))
  questions = [question("one", "word20", answer), question("two", "word21")]
  path = write_squad(folder.parent / "squad.json", (context, questions))
  return prepare(
    folder,
    pretrained,
    task="squad_v2.0",
    train_file=path,
    validation_file=path,
    query_length=2,
    doc_stride=4,
  )


def parse(experiment: str, pretrained, data_dir, *overrides: str):
  """Returns the experiment on prepared data, with overrides `key=value`."""
  override = ",".join([f"task.data_dir={data_dir}", *overrides])
  values = {"experiment": experiment, "pretrained": str(pretrained)}
  return config_testing.parse(override=override, **values)


def launch(experiment: str, folder, name, data_dir, *overrides: str, **values):
  """Trains `name` in a folder with `pretrained`, on one device."""
  one_device = "runtime.distribution_strategy=one_device"
  override = [f"task.data_dir={data_dir}", one_device, *overrides]
  testing.launch(
    experiment=experiment,
    pretrained=folder / "pretrained",
    params_override=",".join(override),
    model_dir=folder / name,
    mode="train_and_eval",
    **values,
  )
