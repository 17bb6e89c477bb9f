# SPDX-License-Identifier: Apache-2.0
"""Tests of what a run learns from the task of pretraining."""

import pytest

from tests import dataset_testing
from token_dropping.tasks import experiments

DATA = ("train_data", "validation_data")


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "dataset.json").write_text('{"records": 3}')
  (tmp_path / "vocab.txt").write_text("[PAD]\n")
  return tmp_path


def _fill_in(input_path, name="bert/token_drop", encoder="", **data):
  """Returns a task after its data told what they can."""
  params = experiments.get(name)
  task = params.task
  task.train_data.override({"input_path": input_path} | data)
  if encoder:
    task.model.encoder.any.vocab_file = encoder
  experiments.hooks_of(params).fill_in()
  return task


# The vocabulary.


@pytest.mark.parametrize(("mine", "found"), [("", "vocab.txt"), ("mine", None)])
def test_an_unset_vocabulary_is_that_beside_the_records(folder, mine, found):
  expected = f"{folder}/{found}" if found else mine
  task = _fill_in(f"{folder}/train-*", encoder=mine)
  assert task.model.encoder.any.vocab_file == expected
  assert task.train_data.vocab_file == ""  # static masking needs none


@pytest.mark.parametrize("missing", ["dataset.json", "vocab.txt"])
def test_incomplete_folder_fills_in_nothing(folder, missing):
  (folder / missing).unlink()
  task = _fill_in(f"{folder}/train-*")
  assert task.model.encoder.any.vocab_file == ""


def test_no_records_fill_in_nothing(folder, monkeypatch):
  monkeypatch.chdir(folder)
  assert _fill_in("").model.encoder.any.vocab_file == ""


def test_baseline_is_left_alone(folder):
  path = f"{folder}/train-*"
  before = experiments.get("bert/pretraining").task
  before.train_data.input_path = path
  assert _fill_in(path, "bert/pretraining") == before


@pytest.mark.parametrize("mine", ["", "mine"])
def test_dynamic_data_gets_the_vocabulary_beside_its_own_records(
  folder, tmp_path_factory, mine
):
  other = tmp_path_factory.mktemp("other")
  for name in ("dataset.json", "vocab.txt"):
    (other / name).write_text("")
  params = experiments.get("bert/token_drop")
  task = params.task
  for name, path in zip(DATA, (folder, other), strict=True):
    data = {"input_path": f"{path}/{name}-*", "masking": "dynamic"}
    getattr(task, name).override(data)
  task.train_data.vocab_file = mine
  experiments.hooks_of(params).fill_in()
  assert task.train_data.vocab_file == (mine or f"{folder}/vocab.txt")
  assert task.validation_data.vocab_file == f"{other}/vocab.txt"
  assert task.model.encoder.any.vocab_file == f"{folder}/vocab.txt"


# The summary.

OUTPUTS = {"lm_example_loss": 6.5, "masked_lm_accuracy": 0.125}
TRAINING = ("training loss", "6.500  masked-LM accuracy 0.125")
VALIDATION = (
  "validation loss",
  "6.500  masked-LM accuracy 0.125  (whole sequences)",
)


def _summarize(train: dict, evaluation: dict, folder=None) -> list:
  params = experiments.get("bert/token_drop")
  params.task.validation_data.input_path = f"{folder}/validation-*"
  return experiments.hooks_of(params).summarize(train, evaluation, None)


def test_only_what_was_seen_is_shown(folder):
  dataset_testing.write_card(folder, {"validation": {"unigram_loss": 6.8608}})
  assert _summarize({}, {}, folder) == []
  assert _summarize(OUTPUTS, {}, folder) == [TRAINING]
  guess = ("unigram loss", "6.861  (best guess without context)")
  assert _summarize(OUTPUTS, OUTPUTS, folder) == [TRAINING, VALIDATION, guess]


def test_dropped_validation_stands_beside_that_of_whole_sequences():
  dropped = {
    "dropped_lm_example_loss": 6.25,
    "dropped_masked_lm_accuracy": 0.25,
  }
  assert _summarize({}, OUTPUTS | dropped) == [
    VALIDATION,
    (
      "dropped loss",
      "6.250  masked-LM accuracy 0.250  (validation, with dropping)",
    ),
  ]


@pytest.mark.parametrize(
  ("trained", "text"),
  [
    (1234.0, "1,234 in training, 1 in the last evaluation"),
    (0.0, "1 in the last evaluation"),
  ],
)
def test_skipped_records_are_counted(trained, text):
  lines = _summarize(
    OUTPUTS | {"skipped_records": trained}, OUTPUTS | {"skipped_records": 1.0}
  )
  assert lines[-1] == ("skipped records", text)
