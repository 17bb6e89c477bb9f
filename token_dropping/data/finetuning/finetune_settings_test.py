# SPDX-License-Identifier: Apache-2.0
"""Tests for finetune_settings."""

import re

import pytest

from tests import testing
from token_dropping.data.finetuning import finetune_settings

BASE = {"output_dir": "out", "vocab_file": "vocab.txt"}
FILES = BASE | {"train_file": "a", "validation_file": "b"}
GLUE = BASE | {"task": "cola", "input_dir": "CoLA"}
SQUAD = FILES | {"task": "squad_v2.0"}
TABLE = FILES | {"task": "classification"}
RUN = {"pretrained": "m", "vocab_file": ""}


def _settings(values, **changes):
  return finetune_settings.FinetuneSettings(**(values | changes))


@pytest.mark.parametrize(
  ("values", "length"), [(GLUE, 128), (TABLE, 128), (SQUAD, 384)]
)
def test_length_goes_by_task(values, length):
  assert _settings(values).seq_length == length
  assert _settings(values, seq_length=256).seq_length == 256


def test_arguments_that_are_not_utf_8():
  labels = "a,\udcff"  # as Python reads the bytes b"a,\xff"
  assert _settings(TABLE, labels=labels).labels == "a,\ufffd"


@pytest.mark.parametrize(
  ("name", "task"), [("glue/stsb", "stsb"), ("squad/v1.1", "squad_v1.1")]
)
def test_task_follows_tfds_name(name, task):
  assert _settings(BASE, tfds_name=name).task == task


@pytest.mark.parametrize(
  ("values", "changes", "message"),
  [
    (GLUE, {"task": "copa"}, "task must be one of cola, .* Received: 'copa'"),
    (BASE, {}, "task must be one of cola, .* Received: None"),
    (BASE, {"tfds_name": "imdb"}, "tfds_name must be one of .* 'imdb'"),
    (GLUE, {"tfds_name": "glue/rte"}, "rte with tfds_name glue/rte. .*'cola'"),
    (GLUE, {"output_dir": ""}, "output_dir must not be empty. Received: ''"),
    (GLUE, {"tfds_name": "glue/cola"}, "of tfds_name and input_dir. .* and"),
    (GLUE, {"input_dir": ""}, "exactly one of .* Received: neither"),
    (SQUAD, {"train_file": ""}, "tfds_name and train_file. .* neither"),
    (SQUAD, {"validation_file": ""}, "be given with train_file. Received: ''"),
    (SQUAD, {"test_file": "c"}, "test_file must not be set for squad_v2.0"),
    (SQUAD, {"input_dir": "c"}, "input_dir must not be set for squad_v2.0"),
    (GLUE, {"train_file": "c"}, "train_file must not be set for cola"),
    (GLUE, {"text_column": "c"}, "text_column must not be set for cola"),
    (TABLE, {"input_dir": "c"}, "input_dir must not be set for classification"),
    (TABLE, {"train_file": ""}, "train_file must not be empty"),
    (TABLE, {"validation_file": ""}, "validation_file must not be empty"),
    (TABLE, {"text_column": ""}, "text_column must not be empty"),
    (TABLE, {"label_column": ""}, "label_column must not be empty"),
    (TABLE, {"label_column": "text"}, "be no column of text. Received: 'text'"),
    (TABLE, {"second_text_column": "text"}, "text_column must not be text_col"),
    (TABLE, {"second_text_column": "label"}, "label_column must be no column"),
    (TABLE, {"task": "regression", "labels": "a"}, "not be set for regression"),
    (GLUE, {"vocab_file": ""}, "one of pretrained and vocab_file. .* neither"),
    (GLUE, {"pretrained": "m"}, "Received: pretrained and vocab_file"),
    (GLUE, RUN | {"do_lower_case": False}, "set with pretrained, .* False"),
    (GLUE, RUN | {"strip_accents": True}, "strip_accents must not .* True"),
    (GLUE, {"seq_length": 7}, "seq_length must be at least 8. Received: 7"),
    (GLUE, {"seed": -1}, "seed must be at least 0. Received: -1"),
    (GLUE, {"seq_length": 2**24}, r"must be below 2\^24. Received: "),
    (SQUAD, {"doc_stride": 2**31}, r"must be below 2\^31. Received: "),
    (SQUAD, {"doc_stride": 0}, "doc_stride must be at least 1. Received: 0"),
    (SQUAD, {"query_length": 0}, "query_length must be at least 1"),
    (SQUAD, {"doc_stride": 318}, r"leave out text \(317\). Received: 318"),
  ],
)
def test_bad_settings(values, changes, message):
  assert re.search(message, testing.refused(_settings, values, **changes))
