# SPDX-License-Identifier: Apache-2.0
"""Tests of what a run learns from the task of pretraining."""

import pytest

from tests import dataset_testing
from token_dropping.tasks import experiments


@pytest.fixture
def folder(tmp_path):
  """A folder of prepared records, as far as is looked at."""
  (tmp_path / "dataset.json").write_text('{"records": 3}')
  (tmp_path / "vocab.txt").write_text("[PAD]\n")
  return tmp_path


# The vocabulary.


def _vocab_files(train, validation="", encoder="", mine="", **data) -> list:
  """Returns those of encoder and data after the records told what they can."""
  params = experiments.get("bert/token_drop")
  task = params.task
  task.model.encoder.any.vocab_file = encoder
  task.train_data.override({"input_path": train, "vocab_file": mine} | data)
  task.validation_data.override({"input_path": validation} | data)
  experiments.hooks_of(params).fill_in()
  configs = (task.model.encoder.any, task.train_data, task.validation_data)
  return [config.vocab_file for config in configs]


def test_an_unset_vocabulary_is_that_beside_the_records(folder):
  records, beside = f"{folder}/train-*", f"{folder}/vocab.txt"
  assert _vocab_files(records) == [beside, "", ""]  # static masking needs none
  assert _vocab_files(records, encoder="mine") == ["mine", "", ""]


@pytest.mark.parametrize("missing", ["dataset.json", "vocab.txt", None])
def test_incomplete_folder_or_no_records_fill_in_nothing(
  folder, missing, monkeypatch
):
  monkeypatch.chdir(folder)
  if missing:
    (folder / missing).unlink()
  records = f"{folder}/train-*" if missing else ""
  assert _vocab_files(records) == ["", "", ""]


def test_baseline_is_left_alone(folder):
  params, before = (experiments.get("bert/pretraining") for _ in range(2))
  for each in (params, before):
    each.task.train_data.input_path = f"{folder}/train-*"
  experiments.hooks_of(params).fill_in()
  assert params == before


def test_dynamic_data_gets_the_vocabulary_beside_its_own_records(
  folder, tmp_path_factory
):
  other = tmp_path_factory.mktemp("other")
  for name in ("dataset.json", "vocab.txt"):
    (other / name).write_text("")
  paths, dynamic = (f"{folder}/*", f"{other}/*"), {"masking": "dynamic"}
  first, second = f"{folder}/vocab.txt", f"{other}/vocab.txt"
  assert _vocab_files(*paths, **dynamic) == [first, first, second]
  files = _vocab_files(*paths, mine="mine", **dynamic)
  assert files == [first, "mine", second]


# The summary.

OUTPUTS = {"lm_example_loss": 6.5, "masked_lm_accuracy": 0.125}
TRAINING = ("training loss", "6.500  masked-LM accuracy 0.125")
VALIDATION = (
  "validation loss",
  "6.500  masked-LM accuracy 0.125  (whole sequences)",
)


def _summarize(
  train: dict, evaluation: dict, folder=None, encoder: dict | None = None
) -> list:
  params = experiments.get("bert/token_drop")
  params.task.model.encoder.any.override(encoder or {})
  params.task.validation_data.input_path = f"{folder}/validation-*"
  return experiments.hooks_of(params).summarize(train, evaluation, None)


def test_only_what_was_seen_is_shown(folder):
  dataset_testing.write_card(folder, {"validation": {"unigram_loss": 6.8608}})
  assert _summarize({}, {}, folder) == []
  assert _summarize(OUTPUTS, {}, folder) == [TRAINING]
  guess = ("unigram loss", "6.861  (best guess without context)")
  assert _summarize(OUTPUTS, OUTPUTS, folder) == [TRAINING, VALIDATION, guess]
  dropped = {
    "dropped_lm_example_loss": 6.25,
    "dropped_masked_lm_accuracy": 0.25,
  }
  text = "6.250  masked-LM accuracy 0.250  (validation, with dropping)"
  lines = [VALIDATION, ("dropped loss", text)]
  assert _summarize({}, OUTPUTS | dropped) == lines


@pytest.mark.parametrize(
  ("fields", "seen"),
  [
    ({"token_keep_k": 511, "drop_at_inference": True}, "with dropping"),
    ({"token_keep_k": 512, "drop_at_inference": True}, "whole sequences"),
    ({"token_keep_ratio": 1.0, "drop_at_inference": True}, "whole sequences"),
    ({"token_keep_k": 3}, "whole sequences"),
  ],
)
def test_an_evaluation_says_what_it_saw(fields, seen):
  ((_, text),) = _summarize({}, OUTPUTS, encoder=fields)
  assert text.endswith(f"  ({seen})")


def test_skipped_records_are_counted():
  skipped = "1 in the last evaluation"
  for count, text in ((1234, f"1,234 in training, {skipped}"), (0, skipped)):
    train = OUTPUTS | {"skipped_records": count}
    lines = _summarize(train, OUTPUTS | {"skipped_records": 1.0})
    assert lines[-1] == ("skipped records", text)
