# SPDX-License-Identifier: Apache-2.0
"""Small fine-tuning data for tests, and configs of experiments on them."""

import pathlib

import numpy as np

from tests import testing
from token_dropping.data import finetune
from token_dropping.data.finetuning import finetune_settings
from token_dropping.training import config

GLUE, SQUAD = "bert/token_drop_glue", "bert/token_drop_squad"
# Of words of `testing.write_vocabulary`.
CONTEXT = " ".join(f"word{i}" for i in range(9))


def write_table(path: pathlib.Path, rows: int, labels=("bad", "good")) -> str:
  """Writes a table of texts whose words tell the label; returns its path."""
  rng = np.random.default_rng(rows)
  lines = ["text\tlabel"]
  for row in range(rows):
    words = rng.integers(0, 5, 5) + 20 * (row % 2)
    text = " ".join(f"word{word}" for word in words)
    lines.append(f"{text}\t{labels[row % 2]}")
  path.write_text("".join(f"{line}\n" for line in lines))
  return str(path)


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
  path = folder.parent / "squad.json"
  answer = {"text": "word3 word4", "answer_start": CONTEXT.index("word3")}
  questions = [
    {"id": "one", "question": "word20", "answers": [answer]},
    {"id": "two", "question": "word21", "answers": [], "is_impossible": True},
  ]
  content = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": questions}]}]}
  testing.write_json(path, content)
  return prepare(
    folder,
    pretrained,
    task="squad_v2.0",
    train_file=str(path),
    validation_file=str(path),
    query_length=2,
    doc_stride=4,
  )


def flags(experiment: str, pretrained, override: str, *files):
  """Returns the launcher's flags as an object."""
  return config.LaunchFlags(
    experiment,
    [str(file) for file in files],
    override,
    pretrained=str(pretrained),
  )


def parse(experiment: str, pretrained, data_dir, *overrides: str):
  """Returns the experiment on prepared data, with overrides `key=value`."""
  override = ",".join([f"task.data_dir={data_dir}", *overrides])
  return config.parse(flags(experiment, pretrained, override))
