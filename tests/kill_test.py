# SPDX-License-Identifier: Apache-2.0
"""Tests of runs that are killed or stopped and started again."""

import os
import random
import signal
import time

import pytest
import tensorflow as tf

from tests import fault_testing
from tests import replica_testing
from token_dropping.common import errors
from token_dropping.tasks.masked_lm import task as masked_lm

# Loops of four steps; evaluations cut them into those that end at 4, 6, 8, 12.
LOOPS = {"steps_per_loop": 4, "summary_interval": 4}
PLAIN = {"dropping_pictures": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Records and config, and `whole`, a run that nothing stopped."""
  folder = tmp_path_factory.mktemp("faults")
  fault_testing.write_run(folder, trainer=LOOPS, task=PLAIN)
  fault_testing.launch(folder, folder / "whole")
  return folder


def _terminate(monkeypatch, folder, run, step: int) -> int:
  """Sends SIGTERM in a step, counted from 0; returns the one that was saved."""
  plain = masked_lm.TokenDropMaskedLMTask.train_step

  def send(iterations) -> None:
    if int(iterations) == step:
      os.kill(os.getpid(), signal.SIGTERM)
      time.sleep(1.0)

  def train_step(self, inputs, model, optimizer, metrics):
    tf.py_function(send, [optimizer.iterations], [])
    return plain(self, inputs, model, optimizer, metrics)

  with monkeypatch.context() as patch:
    patch.setattr(masked_lm.TokenDropMaskedLMTask, "train_step", train_step)
    with pytest.raises(errors.StoppedError) as caught:
      fault_testing.launch(folder, run)
  assert caught.value.code == 143
  saved = int(tf.train.latest_checkpoint(str(run)).rsplit("-", 1)[1])
  assert str(caught.value) == (
    f"stopped by SIGTERM at step {saved}, which is saved; the same command "
    "goes on"
  )
  return saved


def _kill(folder, run, step: int, delay: float = 0.0) -> int:
  """Kills a process after a step was reported; returns the exit code."""
  return fault_testing.kill_at(fault_testing.start(folder, run), step, delay)


def test_run_that_is_stopped_and_killed_equals_one_that_was_not(
  folder, tmp_path, monkeypatch
):
  run = tmp_path / "run"
  # In the second step of the loop that ends at 16.
  assert _terminate(monkeypatch, folder, run, 13) in (14, 15)
  points = fault_testing.curves(run / "train")["lm_example_loss"]
  assert [step for step, _ in points] == [4, 6, 8, 12]
  # Evaluations, a checkpoint at 16 and the second epoch lie before.
  assert _kill(folder, run, 18) == -signal.SIGKILL
  assert tf.train.latest_checkpoint(str(run)) == str(run / "ckpt-16")
  fault_testing.launch(folder, run)
  fault_testing.assert_same_runs(folder / "whole", run)


@pytest.mark.slow
def test_sigterm_ends_the_step_of_a_long_loop(tmp_path, monkeypatch):
  names = ("train_steps", "steps_per_loop", "summary_interval")
  one_loop = dict.fromkeys((*names, "validation_interval"), 1000)
  fault_testing.write_run(tmp_path, trainer=one_loop)
  run = tmp_path / "run"
  assert _terminate(monkeypatch, tmp_path, run, 300) in (301, 302)
  fault_testing.launch(tmp_path, run)
  fault_testing.launch(tmp_path, tmp_path / "whole")
  fault_testing.assert_same_runs(tmp_path / "whole", run)


@pytest.mark.slow
def test_killed_run_of_float16_goes_on_with_its_loss_scale(tmp_path):
  whole, run = tmp_path / "whole", tmp_path / "run"
  with replica_testing.precision("float16") as half:
    fault_testing.write_run(tmp_path, trainer=LOOPS, runtime=half)
    fault_testing.launch(tmp_path, whole)
    found = fault_testing.variables(tf.train.latest_checkpoint(str(whole)))
    assert any("loss_scale" in name for name in found)
    assert _kill(tmp_path, run, 14) == -signal.SIGKILL
    fault_testing.launch(tmp_path, run)
  fault_testing.assert_same_runs(whole, run)


@pytest.mark.slow
def test_run_of_several_steps_a_call_goes_on_wherever_it_is_cut(tmp_path):
  whole, run = tmp_path / "whole", tmp_path / "run"
  calls = {"steps_per_call": 3}
  compiled = {"enable_xla": True}
  fault_testing.write_run(tmp_path, trainer=LOOPS | calls, runtime=compiled)
  fault_testing.launch(tmp_path, whole)
  stopped = fault_testing.start(tmp_path, run)
  assert fault_testing.kill_at(stopped, 6, number=signal.SIGTERM) == 143
  assert _kill(tmp_path, run, 14) == -signal.SIGKILL
  fault_testing.launch(tmp_path, run)
  fault_testing.assert_same_runs(whole, run)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_killed_at_a_random_moment(folder, tmp_path, number):
  rng = random.Random(number)
  for _ in range(rng.choice([1, 1, 2])):
    step = rng.randrange(0, fault_testing.STEPS - 1)
    _kill(folder, tmp_path / "run", step, rng.random() * 0.3)
  fault_testing.launch(folder, tmp_path / "run")
  fault_testing.assert_same_runs(folder / "whole", tmp_path / "run")
