# SPDX-License-Identifier: Apache-2.0
"""Examples of classification and regression, wherever they come from."""

import dataclasses
import math
from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import text_tables


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


def labelled_split(
  table: text_tables.Table, task: glue_tasks.SentenceTask
) -> Split:
  """Returns the examples of a table whose last wanted column is the label."""
  examples = []
  for number, row in enumerate(table.rows):
    *texts, text = row.values
    label = read_label(text, row.place, task)
    examples.append(Example(tuple(texts), label, number))
  return Split(examples, labelled=True, short_rows=table.short_rows)


def unlabelled_split(rows: Iterable[tuple[tuple[str, ...], int]]) -> Split:
  """Returns examples of texts and ids, to be predicted."""
  examples = [Example(texts, 0, number) for texts, number in rows]
  return Split(examples, labelled=False)


def read_label(
  text: str, place: str, task: glue_tasks.SentenceTask
) -> int | float:
  """Returns the id of a label, or the number that it is in a regression."""
  labels = task.values or task.labels
  if text in labels:
    return labels.index(text)
  if labels:
    raise errors.UserError(
      f"labels must be one of {errors.shorten(', '.join(labels))}. "
      f"Received: {text!r} in {place}"
    )
  try:
    number = float(text)
  except ValueError:
    number = math.nan
  low, high = task.label_range or (-math.inf, math.inf)
  if not (math.isfinite(number) and low <= number <= high):
    within = f" in [{low:g}, {high:g}]" if task.label_range else ""
    raise errors.UserError(
      f"labels must be finite numbers{within}. Received: {text!r} in {place}"
    )
  return number
