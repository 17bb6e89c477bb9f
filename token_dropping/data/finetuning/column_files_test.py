# SPDX-License-Identifier: Apache-2.0
"""Tests for column_files."""

import pytest

from tests import finetune_testing
from token_dropping.common import errors
from token_dropping.data.finetuning import column_files
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import sentence_data


def _read(tmp_path, train, validation=None, test=None, **options):
  files = {"train": train, "validation": validation or train, "test": test}
  paths = {
    f"{name}_file": finetune_testing.write_lines(
      tmp_path / f"{name}.csv", *lines
    )
    for name, lines in files.items()
    if lines
  }
  values = {"task": "classification", "vocab_file": "v", "output_dir": "o"}
  settings = finetune_settings.FinetuneSettings(**(values | paths | options))
  return column_files.read(settings)


def test_labels_are_sorted(tmp_path):
  data = _read(tmp_path, ["text,label", "a,spam", "b,ham", "c,spam"])
  assert data.labels == ("ham", "spam")
  assert [e.label for e in data.splits["train"].examples] == [1, 0, 1]
  assert data.metrics == ("accuracy",)


def test_whole_numbers_are_sorted_by_value(tmp_path):
  data = _read(tmp_path, ["text,label", "a,10", "b,9", "c,x"])
  assert data.labels == ("9", "10", "x")


def test_labels_may_be_given(tmp_path):
  data = _read(
    tmp_path, ["text,label", "a,spam", "b,ham"], labels="spam, ham, other"
  )
  assert data.labels == ("spam", "ham", "other")


def test_two_texts(tmp_path):
  data = _read(
    tmp_path,
    ["answer,question,right", "a,q,yes", "b,q,no"],
    text_column="question",
    second_text_column="answer",
    label_column="right",
  )
  first = data.splits["train"].examples[0]
  assert first == sentence_data.Example(("q", "a"), 1, 0)


def test_regression(tmp_path):
  data = _read(tmp_path, ["text,label", "a,1.5", "b,-2"], task="regression")
  assert data.labels == ()
  assert [e.label for e in data.splits["train"].examples] == [1.5, -2.0]
  assert data.metrics == ("pearson", "spearman")


def test_a_test_file_has_labels_or_not(tmp_path):
  train = ["text,label", "a,x", "b,y"]
  labelled = _read(tmp_path, train, test=train).splits["test"]
  assert labelled.labelled and labelled.examples[1].label == 1
  unlabelled = _read(tmp_path, train, test=["text", "c"]).splits["test"]
  assert not unlabelled.labelled
  assert unlabelled.examples == [sentence_data.Example(("c",), 0, 0)]


@pytest.mark.parametrize(
  ("train", "validation", "options", "message"),
  [
    (["text,label", "a,x"], None, {}, "two or more, .* Received: 'x' in"),
    (
      ["text,label", "a,x", "b,y"],
      ["text,label", "a,z"],
      {},
      "must be one of 'x, y'. Received: 'z' in .*validation.csv, line 2",
    ),
    (["text,label", "a,x"], None, {"labels": "x,x"}, "each named once.*'x, x'"),
    (["text,label", "a,x"], None, {"labels": "y,z"}, "one of 'y, z'. .*'x'"),
    (["text,kind", "a,x"], None, {}, "the columns text, label. Received"),
    (
      ["text,label", "a,x"],
      None,
      {"task": "regression"},
      "finite numbers. Received: 'x' in .*train.csv, line 2",
    ),
  ],
)
def test_bad_files(tmp_path, train, validation, options, message):
  with pytest.raises(errors.UserError, match=message):
    _read(tmp_path, train, validation, **options)
