# SPDX-License-Identifier: Apache-2.0
"""Where sentences come from: GLUE's files, TensorFlow Datasets, own tables."""

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import sentence_data
from token_dropping.data.finetuning import text_tables
from token_dropping.data.finetuning import tfds_examples


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


def read_glue_files(
  task: glue_tasks.SentenceTask, paths: dict[str, str]
) -> dict[str, sentence_data.Split]:
  """Reads the files that `find_glue_files` found."""
  return {
    split: _glue_test(task, path)
    if glue_tasks.is_test(split)
    else _labelled_split(task, path, "input_dir")
    for split, path in paths.items()
  }


def read_glue_tfds(
  task: glue_tasks.SentenceTask, builder
) -> dict[str, sentence_data.Split]:
  """Reads all splits of a task from the builder of `glue/...`."""
  names = getattr(builder.info.features["label"], "names", ())
  errors.require(
    tuple(names) == task.labels,
    f"labels of {builder.info.full_name} must be {', '.join(task.labels)}",
    ", ".join(names),
  )
  return {split: _tfds_split(task, builder, split) for split in task.files}


def read_tables(
  settings: finetune_settings.FinetuneSettings,
) -> tuple[glue_tasks.SentenceTask, dict[str, sentence_data.Split]]:
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
    "train": sentence_data.labelled_split(train, task),
    "validation": _labelled_split(
      task, settings.validation_file, "validation_file"
    ),
  }
  if test := settings.test_file:
    if task.label in text_tables.column_names(test, "test_file"):
      splits["test"] = _labelled_split(task, test, "test_file")
    else:
      rows = text_tables.read_table(test, "test_file", task.texts).rows
      splits["test"] = sentence_data.unlabelled_split(
        (row.values, number) for number, row in enumerate(rows)
      )
  return task, splits


def _labelled_split(task, path: str, flag: str) -> sentence_data.Split:
  table = text_tables.read_table(
    path, flag, (*task.texts, task.label), task.header, task.skip_short_rows
  )
  return sentence_data.labelled_split(table, task)


def _glue_test(task, path: str) -> sentence_data.Split:
  columns = (*task.texts, task.test_id)
  texts_by_id: dict[str, tuple[str, ...]] = {}
  for row in text_tables.read_table(path, "input_dir", columns).rows:
    *texts, number = row.values
    errors.require(
      number.isdecimal() and number not in texts_by_id,
      f"{task.test_id} must be a whole number, another in every row",
      f"{number!r} in {row.place}",
    )
    texts_by_id[number] = tuple(texts)
  return sentence_data.unlabelled_split(
    (texts, int(number)) for number, texts in texts_by_id.items()
  )


def _tfds_split(task, builder, split: str) -> sentence_data.Split:
  rows = [
    (tuple(row[name].decode() for name in task.tfds_texts or task.texts), row)
    for row in tfds_examples.read_split(builder, split)
  ]
  if glue_tasks.is_test(split):
    return sentence_data.unlabelled_split(
      (texts, int(row["idx"])) for texts, row in rows
    )
  number = int if task.labels else float
  examples = [
    sentence_data.Example(texts, number(row["label"]), index)
    for index, (texts, row) in enumerate(rows)
  ]
  return sentence_data.Split(examples, labelled=True)


def _labels(settings, train: text_tables.Table) -> tuple[str, ...]:
  """Returns the labels that were given, or those of the training data."""
  where = ""
  if settings.labels:
    labels = tuple(label.strip() for label in settings.labels.split(","))
  else:
    labels = tuple(sorted({row.values[-1] for row in train.rows}, key=_order))
    where = f" in {settings.train_file!r}"
  errors.require(
    len(labels) >= 2 and len(set(labels)) == len(labels),
    "labels must be two or more, each named once",
    f"{errors.shorten(', '.join(labels))}{where}",
  )
  return labels


def _order(label: str) -> tuple[bool, int, str]:
  """Sorts whole numbers by value and before other labels."""
  number = label.isascii() and label.isdecimal()
  return not number, int(label) if number else 0, label
