# SPDX-License-Identifier: Apache-2.0
"""Tests of whole runs that meet a fault, in this process."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests import fault_testing
from tests import testing
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.tasks.masked_lm import task as masked_lm
from token_dropping.training import run_dir

_until = fault_testing.until


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """A folder with `run`, of eight steps."""
  folder = tmp_path_factory.mktemp("finished")
  fault_testing.write_run(folder, **_until(8))
  with testing.eagerly():
    fault_testing.launch(folder, folder / "run")
  return folder


@pytest.fixture
def trained(finished, tmp_path):
  """A copy of it whose config asks for twelve steps."""
  shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
  fault_testing.write_config(tmp_path, **_until(12))
  return tmp_path


def _stopped(folder, mode="train") -> str:
  """Returns the one line with which a run ends."""
  return testing.refused(
    fault_testing.launch, folder, folder / "run", mode=mode
  )


def _checkpoints(folder) -> list[str]:
  state = tf.train.get_checkpoint_state(str(folder / "run"))
  return [pathlib.Path(p).name for p in state.all_model_checkpoint_paths]


# Checkpoints.


def test_max_to_keep_and_the_best_apart(finished):
  assert _checkpoints(finished) == ["ckpt-4", "ckpt-8"]
  best = pathlib.Path(tf.train.latest_checkpoint(str(finished / "run/best")))
  assert best.name in ("best_ckpt-6", "best_ckpt-8")
  # Its number is the step; the note beside it is of the same.
  step = fault_testing.variables(best)["global_step/.ATTRIBUTES/VARIABLE_VALUE"]
  assert best.name == f"best_ckpt-{step}"
  note = (finished / "run/best/info.json").read_text()
  assert f'"best_ckpt_global_step": {float(step)}' in note


@testing.eagerly()
def test_damaged_newest_checkpoint_is_named_and_the_one_before_used(
  trained, capsys
):
  path = trained / "run" / "ckpt-8.data-00000-of-00001"
  path.write_bytes(path.read_bytes()[:-9])
  fault_testing.launch(trained, trained / "run", mode="train")
  printed = capsys.readouterr()
  assert f"warning: checkpoint {trained}/run/ckpt-8 is damaged: " in printed.err
  assert "Trained 8 steps, to step 12" in printed.out
  assert _checkpoints(trained) == ["ckpt-4", "ckpt-8", "ckpt-12"]


def test_two_runs_in_one_folder(trained):
  before = sorted((trained / "run").rglob("*"))
  with run_dir.held(str(trained / "run")):
    message = _stopped(trained)
  assert message.startswith("--model_dir must be a folder in which no other ")
  assert sorted((trained / "run").rglob("*")) == before


# Numbers.


def _spoil(monkeypatch, steps: range) -> None:
  """Makes the loss NaN in some steps, which makes every gradient NaN."""
  plain = mlm_losses.masked_lm_losses

  def losses(labels, outputs):
    step = tf.summary.experimental.get_step()
    inside = (step >= steps.start) & (step < steps.stop)
    return plain(labels, outputs) * tf.where(inside, np.nan, 1.0)

  monkeypatch.setattr(mlm_losses, "masked_lm_losses", losses)


def test_bad_numbers_stop_the_run_with_step_and_checkpoint(
  trained, monkeypatch
):
  _spoil(monkeypatch, range(10, 11))
  assert _stopped(trained) == (
    "task.on_bad_numbers=stop: loss and gradients must be finite; they were "
    f"not at step 11. The last good checkpoint is {trained}/run/ckpt-8. "
    "Received: 2 such steps of this loop"
  )
  assert _checkpoints(trained) == ["ckpt-4", "ckpt-8"]


def test_a_skipped_step_is_counted_and_changes_nothing_else(
  trained, monkeypatch
):
  fault_testing.write_config(trained, **_until(10, on_bad_numbers="skip"))
  before = fault_testing.variables(trained / "run" / "ckpt-8")
  _spoil(monkeypatch, range(8, 10))
  fault_testing.launch(trained, trained / "run", mode="train")
  after = fault_testing.variables(trained / "run" / "ckpt-10")
  suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
  assert {
    name.removesuffix(suffix)
    for name, value in before.items()
    if value.tobytes() != after[name].tobytes()
  } == {"global_step", "optimizer/iter", "save_counter", "skipped_steps"}
  assert after["skipped_steps" + suffix] == 2


@pytest.mark.slow
def test_skipped_steps_are_bounded(trained, monkeypatch):
  fields = {"on_bad_numbers": "skip", "max_skipped_steps": 1}
  fault_testing.write_config(trained, **_until(12, **fields))
  _spoil(monkeypatch, range(8, 12))
  assert _stopped(trained) == (
    "task.max_skipped_steps must be at least the steps whose loss or "
    "gradients were not finite (2 in this run, the first of this process at "
    f"step 9); the last good checkpoint is {trained}/run/ckpt-8. Received: 1"
  )


# Data that breaks while it is read: behind what is checked before the run.


def _write_late(folder, **changes) -> pathlib.Path:
  """Writes 40 records, number 30 of them changed; returns the path."""
  records = [testing.random_features(seed) for seed in range(40)]
  records[30] |= changes
  return pathlib.Path(testing.write_records(folder / "train-0", records))


@pytest.fixture
def single(tmp_path):
  """A config whose training data is one file, to be written."""
  fault_testing.write_run(tmp_path, **_until(12))
  for file in (1, 2):
    (tmp_path / f"train-{file}").unlink()
  return tmp_path


@testing.eagerly()
def test_bad_record_names_file_and_record(single):
  path = _write_late(single, masked_lm_ids=[2**32 + 7, 7, 0])
  named = f"Received: 4294967303 in {path}, record 30"
  assert _stopped(single).endswith(named)


def test_bad_record_of_validation_names_file_and_record(trained):
  path = _write_late(trained, masked_lm_positions=[1, 16, 0])
  changes = _until(12, validation_data={"input_path": str(path)})
  changes["trainer"]["validation_steps"] = 10  # all of it
  fault_testing.write_config(trained, **changes)
  named = f"Received: 16 in {path}, record 30"
  assert _stopped(trained, mode="eval").endswith(named)


@pytest.mark.slow
@pytest.mark.parametrize("known_before", [False, True])
def test_truncated_file_names_file_and_record(single, trained, known_before):
  folder = trained if known_before else single
  path = _write_late(folder)
  path.write_bytes(path.read_bytes()[:-5])
  assert f"Received: {path}, record 39: " in _stopped(folder)


@pytest.mark.slow
def test_corrupt_record_names_file_and_record(single):
  path = _write_late(single)
  content = bytearray(path.read_bytes())
  content[len(content) * 305 // 400] ^= 1  # inside of record 30 of 40
  path.write_bytes(content)
  assert _stopped(single).startswith(
    "task.train_data.input_path must match TFRecord files that can be read to "
    f"their end. Received: {path}, record 30: "
  )


@pytest.mark.slow
def test_a_file_that_vanishes_is_named(trained, monkeypatch):
  task = masked_lm.TokenDropMaskedLMTask
  look = task.build_inputs

  def build(*args, **kwargs):
    dataset = look(*args, **kwargs)
    (trained / "train-1").unlink(missing_ok=True)
    return dataset

  monkeypatch.setattr(task, "build_inputs", build)
  names = {"input_path": [f"{trained}/train-{n}" for n in range(3)]}
  fault_testing.write_config(trained, **_until(12, train_data=names))
  assert f"Received: {trained}/train-1, record 0: " in _stopped(trained)


@pytest.mark.slow
def test_an_empty_file_among_others_is_passed_over(single, capsys):
  _write_late(single)
  testing.write_records(single / "train-1", [])
  fault_testing.launch(single, single / "run", mode="train")
  assert "Trained 12 steps" in capsys.readouterr().out
