# SPDX-License-Identifier: Apache-2.0
"""Where sentences come from: GLUE's files, TensorFlow Datasets, own tables."""

import dataclasses
import math
import re
from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_text
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import text_tables
from token_dropping.data.finetuning import tfds_examples

_MOST = 3.4e38  # of a float32
_WHOLE = re.compile(r"^([+-]?\d+)\.0*$")


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
  """A text or a pair; a label's id, or a regression's number; its number."""

  texts: tuple[str, ...]
  label: int | float
  id: int


@dataclasses.dataclass(frozen=True)
class Split:
  """Examples in order, and how many broken rows were left out."""

  examples: list[Example]
  labelled: bool
  short_rows: int = 0


def find_glue_files(task: glue_tasks.SentenceTask, folder: str) -> dict:
  """Returns a task's TSV files by split; tests may be missing, if not all."""
  paths = {}
  for split, name in task.files.items():
    path = files.join(folder, name)
    if files.exists(path):
      paths[split] = path
    elif not glue_tasks.is_test(split) or len(task.files) == 1:
      raise errors.UserError(
        f"input_dir must hold {', '.join(task.files.values())} ({task.folder} "
        f"of GLUE). Received: {folder!r} without {name}"
      )
  return paths


def read_glue(task: glue_tasks.SentenceTask, source) -> dict[str, Split]:
  """Reads what `find_glue_files` found, or the builder of `glue/...`."""
  if isinstance(source, dict):
    return {
      split: _glue_test(task, path)
      if glue_tasks.is_test(split)
      else _labelled(task, path, "input_dir")
      for split, path in source.items()
    }
  names = getattr(source.info.features["label"], "names", ())
  errors.require(
    tuple(names) == task.labels,
    f"labels of {source.info.full_name} must be {', '.join(task.labels)}",
    ", ".join(names),
  )
  return {split: _tfds_split(task, source, split) for split in task.files}


def read_tables(
  settings: finetune_settings.FinetuneSettings,
) -> tuple[glue_tasks.SentenceTask, dict[str, Split]]:
  """Reads tables with named columns, for classification or regression.

  A test file without the label column is one to predict.
  """
  names = (settings.text_column, settings.second_text_column)
  texts = tuple(name for name in names if name)
  train = text_tables.read_table(
    settings.train_file, "train_file", (*texts, settings.label_column)
  )
  regression = settings.task == finetune_settings.REGRESSION
  task = glue_tasks.SentenceTask(
    texts=texts,
    metrics=("pearson", "spearman") if regression else ("accuracy",),
    label=settings.label_column,
    labels=() if regression else _labels(settings, train),
  )
  splits = {
    "train": _labelled_rows(task, train),
    "validation": _labelled(task, settings.validation_file, "validation_file"),
  }
  if test := settings.test_file:
    if task.label in text_tables.column_names(test, "test_file"):
      splits["test"] = _labelled(task, test, "test_file")
    else:
      rows = text_tables.read_table(test, "test_file", texts).rows
      numbered = enumerate(rows)
      splits["test"] = _to_predict((r.values, number) for number, r in numbered)
  return task, splits


def _labelled(task, path: str, flag: str) -> Split:
  columns = (*task.texts, task.label)
  table = text_tables.read_table(
    path, flag, columns, task.header, task.skip_short_rows
  )
  return _labelled_rows(task, table)


def _labelled_rows(task, table: text_tables.Table) -> Split:
  examples = []
  for number, row in enumerate(table.rows):
    *texts, text = row.values
    label = _read_label(text, row.place, task)
    examples.append(Example(tuple(texts), label, number))
  return Split(examples, labelled=True, short_rows=table.short_rows)


def _to_predict(rows: Iterable[tuple[tuple[str, ...], int]]) -> Split:
  examples = [Example(texts, 0, number) for texts, number in rows]
  return Split(examples, labelled=False)


def _read_label(text: str, place: str, task) -> int | float:
  """Returns the id of a label, or the number that it is in a regression."""
  labels = task.values or task.labels
  if labels:
    errors.require(
      text in labels,
      f"labels must be one of {errors.shorten(', '.join(labels))}",
      f"{text!r} in {place}",
    )
    return labels.index(text)
  try:
    number = float(text.replace("_", "?"))  # Python reads 1_0 as 10
  except ValueError:
    number = math.nan
  low, high = task.label_range or (-_MOST, _MOST)
  errors.require(
    low <= number <= high,  # not so for NaN
    f"labels must be finite numbers in [{low:g}, {high:g}]",
    f"{text!r} in {place}",
  )
  return number


def _glue_test(task, path: str) -> Split:
  columns = (*task.texts, task.test_id)
  texts_by_id: dict[int, tuple[str, ...]] = {}
  for row in text_tables.read_table(path, "input_dir", columns).rows:
    *texts, text = row.values
    is_number = text.isdecimal() and len(text) < 19  # fits int64
    number = int(text) if is_number else None
    errors.require(
      is_number and number not in texts_by_id,
      f"{task.test_id} must be a whole number, another in every row",
      f"{errors.shorten(text)} in {row.place}",
    )
    texts_by_id[number] = tuple(texts)
  return _to_predict((texts, number) for number, texts in texts_by_id.items())


def _tfds_split(task, builder, split: str) -> Split:
  names = task.tfds_texts or task.texts
  rows = [
    (tuple(tfds_examples.decode(row[name]) for name in names), row)
    for row in tfds_examples.read_split(builder, split)
  ]
  if glue_tasks.is_test(split):
    return _to_predict((texts, int(row["idx"])) for texts, row in rows)
  number = int if task.labels else float
  examples = [
    Example(texts, number(row["label"]), index)
    for index, (texts, row) in enumerate(rows)
  ]
  return Split(examples, labelled=True)


def _labels(settings, train: text_tables.Table) -> tuple[str, ...]:
  """Returns the labels that were given, or those of the training data."""
  where = ""
  if settings.labels:
    labels = tuple(label.strip() for label in settings.labels.split(","))
    places = dict.fromkeys(labels, " in --labels")
  else:
    places = {row.values[-1]: f" in {row.place}" for row in train.rows[::-1]}
    labels = tuple(sorted(places, key=_order))
    where = f" in {settings.train_file!r}"
  for label, place in places.items():
    plain_text.check_line(label, "a label", place)
  # Those that differ in white space around them look like one, and 1.0 is 1.
  differing = len({_WHOLE.sub(r"\1", label.strip()) for label in labels})
  errors.require(
    len(labels) == differing >= 2,
    "labels must be two or more, each named once",
    f"{errors.shorten(', '.join(labels))}{where}",
  )
  return labels


def _order(label: str) -> tuple[bool, int, str, str]:
  """Sorts whole numbers, of any length, by value and before other labels."""
  number = label.isascii() and label.isdecimal()
  digits = label.lstrip("0") if number else ""
  return not number, len(digits), digits, label
