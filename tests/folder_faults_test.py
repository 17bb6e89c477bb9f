# SPDX-License-Identifier: Apache-2.0
"""Tests of runs whose disk is full or whose folder becomes read-only.

The operating system refuses to write, in this process: beyond a size of files,
as on a full disk, or in a folder without the right to, as which root becomes
nobody. Only the moment is chosen by the test.
"""

import contextlib
import os
import pathlib
import resource
import shutil
import tempfile

import pytest
import tensorflow as tf

from tests import fault_testing
from tests import testing
from token_dropping.training import progress
from token_dropping.training import run_dir

NOBODY = 65534
START, END = 8, 12


@pytest.fixture(scope="module")
def finished():
  """A folder with `run`, of eight steps, that nobody may read."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    folder.chmod(0o755)
    fault_testing.write_run(folder, **fault_testing.until(START))
    fault_testing.launch(folder, folder / "run")
    fault_testing.write_config(folder, **fault_testing.until(END))
    yield folder


@pytest.fixture
def run(finished):
  """A copy of the run."""
  copy = finished / "copy"
  shutil.copytree(finished / "run", copy)
  yield copy
  shutil.rmtree(copy)


@contextlib.contextmanager
def _files_end_at(size: int):
  """Lets nothing be written beyond a size in bytes."""
  _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@contextlib.contextmanager
def _read_only(folder: pathlib.Path):
  """Takes away the right to write in a folder, from root too."""
  user = os.geteuid()
  _set_modes(folder, 0o555, 0o444)
  os.seteuid(user or NOBODY)
  try:
    yield
  finally:
    os.seteuid(user)
    _set_modes(folder, 0o755, 0o644)


def _set_modes(folder: pathlib.Path, of_folders: int, of_files: int) -> None:
  folder.chmod(of_folders)
  for path in folder.rglob("*"):
    path.chmod(of_folders if path.is_dir() else of_files)


def _stopped(folder, run, fault, monkeypatch, mode="train") -> str:
  """Trains on; from step 10 on, there is a fault. Returns the message."""
  plain = progress.ProgressReporter.on_train
  with contextlib.ExitStack() as stack:

    def on_train(self, outputs: dict) -> None:
      plain(self, outputs)
      if int(self._global_step.numpy()) == 10:
        stack.enter_context(fault)

    monkeypatch.setattr(progress.ProgressReporter, "on_train", on_train)
    message = testing.refused(fault_testing.launch, folder, run, mode=mode)
  monkeypatch.undo()
  return message


def _assert_named(message: str, run, file: str, fault: str) -> None:
  """Checks the rule, the good checkpoint, and the file that was refused."""
  start = (
    "--model_dir must be writable and have room; the last good checkpoint is "
    f"{run}/ckpt-{START}. Received: {run}/{file}"
  )
  assert message.startswith(start)
  assert message.endswith(f"; {fault}")


def _assert_goes_on(folder, run, mode="train") -> None:
  """Checks that the same command ends as if there had been no fault."""
  fault_testing.launch(folder, run, mode=mode)
  state = tf.train.get_checkpoint_state(str(run))
  kept = [os.path.basename(p) for p in state.all_model_checkpoint_paths]
  assert kept == ["ckpt-4", "ckpt-8", "ckpt-12"]
  assert not list(run.glob("*_temp"))
  losses = fault_testing.curves(run / "train")["lm_example_loss"]
  assert [step for step, _ in losses] == [2, 4, 6, 8, 10, 12]


@testing.eagerly()
@pytest.mark.parametrize(
  ("size", "file"),
  [
    (20_000, "ckpt-12_temp/"),
    pytest.param(200, "train/events", marks=pytest.mark.slow),
  ],
)
def test_disk_full(finished, run, monkeypatch, size, file):
  message = _stopped(finished, run, _files_end_at(size), monkeypatch)
  _assert_named(message, run, file, "File too large")
  _assert_goes_on(finished, run)


@pytest.mark.slow
def test_disk_full_for_the_best_checkpoint(finished, run, monkeypatch):
  shutil.rmtree(run / "best")
  fault = _files_end_at(20_000)
  message = _stopped(finished, run, fault, monkeypatch, "train_and_eval")
  _assert_named(message, run, "best/best_ckpt-12_temp/", "File too large")
  _assert_goes_on(finished, run, "train_and_eval")
  best = tf.train.latest_checkpoint(str(run / "best"))
  assert best == str(run / "best" / "best_ckpt-12")


def test_read_only_at_the_start(finished, run):
  before = {path: path.stat().st_mtime for path in run.rglob("*")}
  rule = "--model_dir must be a writable folder"
  with _read_only(run):
    message = testing.refused(fault_testing.launch, finished, run)
  assert message.startswith(f"{rule}. Received: {str(run)!r} (")
  assert {path: path.stat().st_mtime for path in run.rglob("*")} == before


@pytest.mark.slow
@pytest.mark.parametrize(
  ("mode", "file"),
  [("train", "ckpt-12_temp"), ("train_and_eval", "validation/events")],
)
def test_becomes_read_only(finished, run, monkeypatch, mode, file):
  message = _stopped(finished, run, _read_only(run), monkeypatch, mode)
  _assert_named(message, run, file, "Permission denied")
  _assert_goes_on(finished, run, mode)


def test_other_errors_pass():
  for error in (
    OSError("another/file is a folder"),
    tf.errors.DataLossError(None, None, "model_dir/records: truncated"),
    KeyError("model_dir"),
  ):
    with pytest.raises(type(error)), run_dir.explained("model_dir"):
      raise error
