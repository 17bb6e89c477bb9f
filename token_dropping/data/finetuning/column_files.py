# SPDX-License-Identifier: Apache-2.0
"""Classification or regression from tables with named columns."""

from token_dropping.common import errors
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import sentence_data
from token_dropping.data.finetuning import text_tables


def read(
  settings: finetune_settings.FinetuneSettings,
) -> sentence_data.SentenceData:
  """Reads the files of a data set.

  Args:
    settings: with `train_file`, `validation_file`, perhaps `test_file`, and the
      columns. A test file without the label column is one to predict.

  Raises:
    UserError: a file that cannot be read, a missing column, a wrong label.
  """
  tables = {"train": _read(settings, "train_file")}
  tables["validation"] = _read(settings, "validation_file")
  unlabelled = settings.test_file and settings.label_column not in (
    text_tables.column_names(settings.test_file, "test_file")
  )
  if settings.test_file and not unlabelled:
    tables["test"] = _read(settings, "test_file")
  regression = settings.task == finetune_settings.REGRESSION
  labels = () if regression else _labels(settings, tables["train"])
  reader = sentence_data.LabelReader(labels)
  splits = {
    name: sentence_data.Split(
      sentence_data.labelled_examples(table.rows, reader), labelled=True
    )
    for name, table in tables.items()
  }
  if unlabelled:
    splits["test"] = _read_unlabelled(settings)
  return sentence_data.SentenceData(
    labels=labels,
    metrics=("pearson", "spearman") if regression else ("accuracy",),
    splits=splits,
  )


def _texts(settings) -> tuple[str, ...]:
  names = (settings.text_column, settings.second_text_column)
  return tuple(name for name in names if name)


def _read(settings, name: str) -> text_tables.Table:
  columns = (*_texts(settings), settings.label_column)
  return text_tables.read_table(getattr(settings, name), name, columns)


def _read_unlabelled(settings) -> sentence_data.Split:
  table = text_tables.read_table(
    settings.test_file, "test_file", _texts(settings)
  )
  examples = [
    sentence_data.Example(row.values, 0, number)
    for number, row in enumerate(table.rows)
  ]
  return sentence_data.Split(examples, labelled=False)


def _labels(settings, train: text_tables.Table) -> tuple[str, ...]:
  """Returns the labels that were given, or those of the training data."""
  if settings.labels:
    labels = tuple(label.strip() for label in settings.labels.split(","))
  else:
    labels = tuple(sorted({row.values[-1] for row in train.rows}, key=_order))
  if len(labels) < 2 or len(set(labels)) < len(labels):
    where = "" if settings.labels else f" in {settings.train_file!r}"
    raise errors.UserError(
      "labels must be two or more, each named once. Received: "
      f"{errors.shorten(', '.join(labels))}{where}"
    )
  return labels


def _order(label: str) -> tuple[bool, int, str]:
  """Sorts whole numbers by value and before other labels."""
  number = label.isascii() and label.isdecimal()
  return not number, int(label) if number else 0, label
