# SPDX-License-Identifier: Apache-2.0
"""A task of GLUE from the TSV files that GLUE distributes."""

import os

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import sentence_data
from token_dropping.data.finetuning import text_tables


def paths(task: glue_tasks.GlueTask, folder: str) -> dict[str, str]:
  """Returns the files of a task, by split.

  Args:
    task: of GLUE.
    folder: with its TSV files. Test files may be missing, unless there are no
      others.

  Raises:
    UserError: a file that training or evaluation needs is missing.
  """
  found = {}
  for split, name in task.files.items():
    path = os.path.join(folder, name)
    if tf.io.gfile.exists(path):
      found[split] = path
    elif not glue_tasks.is_test(split) or len(task.files) == 1:
      raise errors.UserError(
        f"input_dir must hold {', '.join(task.files.values())} ({task.folder} "
        f"of GLUE). Received: {folder!r} without {name}"
      )
  return found


def read(
  task: glue_tasks.GlueTask, files: dict[str, str]
) -> sentence_data.SentenceData:
  """Reads the files of a task.

  Args:
    task: of GLUE.
    files: what `paths` found.

  Raises:
    UserError: a file that is not as GLUE writes it.
  """
  return sentence_data.SentenceData(
    labels=task.labels,
    metrics=task.metrics,
    splits={split: _read_split(task, split, p) for split, p in files.items()},
    label_range=task.label_range,
    submissions={s: n for s, n in task.submissions.items() if s in files},
    submission_labels=task.values,
  )


def _read_split(task, split: str, path: str) -> sentence_data.Split:
  if glue_tasks.is_test(split):
    return _read_test(task, path)
  table = text_tables.read_table(
    path,
    "input_dir",
    (*task.texts, task.label),
    task.header or None,
    task.skip_short_rows,
  )
  reader = sentence_data.LabelReader(task.values, task.label_range)
  examples = sentence_data.labelled_examples(table.rows, reader)
  return sentence_data.Split(examples, True, table.short_rows)


def _read_test(task, path: str) -> sentence_data.Split:
  columns = (*task.texts, task.test_id)
  table = text_tables.read_table(path, "input_dir", columns)
  examples = []
  seen = set()
  for row in table.rows:
    number = row.values[-1]
    if not number.isdecimal() or number in seen:
      raise errors.UserError(
        f"{task.test_id} must be a whole number, another in every row. "
        f"Received: {number!r} in {row.place}"
      )
    seen.add(number)
    examples.append(sentence_data.Example(row.values[:-1], 0, int(number)))
  return sentence_data.Split(examples, labelled=False)
