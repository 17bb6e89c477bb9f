# SPDX-License-Identifier: Apache-2.0
"""Tests for sentence_data."""

import pytest

from token_dropping.common import errors
from token_dropping.data.finetuning import sentence_data
from token_dropping.data.finetuning import text_tables


def test_labels_are_places_in_their_order():
  reader = sentence_data.LabelReader(("b", "a"))
  assert [reader.read(text, "here") for text in ("a", "b")] == [1, 0]


def test_numbers_are_read_within_their_limits():
  reader = sentence_data.LabelReader(limits=(0.0, 5.0))
  assert [reader.read(text, "") for text in ("0", "2.75", "5")] == [0, 2.75, 5]


def test_any_number_without_limits():
  assert sentence_data.LabelReader().read("-1e6", "") == -1e6


@pytest.mark.parametrize("text", ["x", "", "nan", "inf", "5.1", "-0.1"])
def test_what_is_no_number(text):
  reader = sentence_data.LabelReader(limits=(0.0, 5.0))
  message = rf"finite numbers in \[0, 5\]. Received: '{text}' in line 3"
  with pytest.raises(errors.UserError, match=message):
    reader.read(text, "line 3")


def test_unknown_label():
  reader = sentence_data.LabelReader(("a", "b"))
  message = "must be one of 'a, b'. Received: 'c' in line 3"
  with pytest.raises(errors.UserError, match=message):
    reader.read("c", "line 3")


def test_examples_of_rows():
  rows = [
    text_tables.Row("1", ("x", "y", "b")),
    text_tables.Row("2", ("z", "", "a")),
  ]
  reader = sentence_data.LabelReader(("a", "b"))
  assert sentence_data.labelled_examples(rows, reader) == [
    sentence_data.Example(("x", "y"), 1, 0),
    sentence_data.Example(("z", ""), 0, 1),
  ]
