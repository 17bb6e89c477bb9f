# SPDX-License-Identifier: Apache-2.0
"""Labels and numbers of tables, and what is neither."""

import pytest

from token_dropping.common import errors
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import sentence_data
from token_dropping.data.finetuning import text_tables


def _task(labels=(), limits=None):
  return glue_tasks.SentenceTask(
    ("text",), ("accuracy",), labels=labels, label_range=limits
  )


def test_labels_are_places_in_their_order():
  table = text_tables.Table(
    [
      text_tables.Row("1", ("x", "y", "b")),
      text_tables.Row("2", ("z", "", "a")),
    ],
    short_rows=3,
  )
  split = sentence_data.labelled_split(table, _task(("a", "b")))
  assert split.examples == [
    sentence_data.Example(("x", "y"), 1, 0),
    sentence_data.Example(("z", ""), 0, 1),
  ]
  assert (split.labelled, split.short_rows) == (True, 3)


@pytest.mark.parametrize(
  ("text", "limits", "number"),
  [
    ("0", (0, 5), 0),
    ("2.75", (0, 5), 2.75),
    ("5", (0, 5), 5),
    ("-1e6", None, -1e6),
  ],
)
def test_numbers_are_read_within_their_limits(text, limits, number):
  assert sentence_data.read_label(text, "", _task(limits=limits)) == number


@pytest.mark.parametrize("text", ["x", "", "nan", "inf", "5.1", "-0.1"])
def test_what_is_no_number(text):
  message = rf"finite numbers in \[0, 5\]. Received: '{text}' in line 3"
  with pytest.raises(errors.UserError, match=message):
    sentence_data.read_label(text, "line 3", _task(limits=(0.0, 5.0)))


def test_unknown_label():
  message = "must be one of 'a, b'. Received: 'c' in line 3"
  with pytest.raises(errors.UserError, match=message):
    sentence_data.read_label("c", "line 3", _task(("a", "b")))
