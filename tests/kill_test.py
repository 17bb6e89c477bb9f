# SPDX-License-Identifier: Apache-2.0
"""Tests of runs that are killed or stopped and started again."""

import random
import signal

import pytest
import tensorflow as tf

from tests import fault_testing
from token_dropping.training import controller

# Loops of four steps; evaluations cut them into those that end at 4, 6, 8, 12.
LOOPS = {"steps_per_loop": 4, "summary_interval": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Records and config, and `whole`, a run in a process of its own."""
  folder = tmp_path_factory.mktemp("faults")
  fault_testing.write_run(folder, trainer=LOOPS)
  _finish(folder, folder / "whole")
  return folder


def _finish(folder, model_dir) -> None:
  process = fault_testing.start(folder, model_dir)
  _, messages = process.communicate()
  assert process.returncode == 0, messages


def _terminate(folder, run, step: int) -> int:
  """Sends SIGTERM in a step; returns the step that was saved."""
  process = fault_testing.start(folder, run, terminated_in=step)
  _, messages = process.communicate()
  assert process.returncode == controller.TERMINATED == 143, messages
  saved = int(tf.train.latest_checkpoint(str(run)).rsplit("-", 1)[1])
  last_line = messages.strip().split("\n")[-1]
  assert last_line == (
    f"stopped by SIGTERM at step {saved}, which is saved; the same command "
    "goes on"
  )
  return saved


def test_run_that_is_stopped_and_killed_equals_one_that_was_not(
  folder, tmp_path
):
  run = tmp_path / "run"
  # In the second step of the loop that ends at 16.
  assert _terminate(folder, run, 13) in (14, 15)
  points = fault_testing.curves(run / "train")["lm_example_loss"]
  assert [step for step, _ in points] == [4, 6, 8, 12]
  process = fault_testing.start(folder, run)
  # Evaluations, a checkpoint at 16 and the second epoch lie before.
  assert fault_testing.kill_at(process, 18) == -signal.SIGKILL
  assert tf.train.latest_checkpoint(str(run)) == str(run / "ckpt-16")
  _finish(folder, run)
  fault_testing.assert_same_runs(folder / "whole", run)


@pytest.mark.slow
def test_sigterm_ends_the_step_of_a_long_loop(tmp_path):
  one_loop = {
    "train_steps": 1000,
    "steps_per_loop": 1000,
    "summary_interval": 1000,
    "validation_interval": 1000,
  }
  fault_testing.write_run(tmp_path, trainer=one_loop)
  assert _terminate(tmp_path, tmp_path / "run", 300) in (301, 302)
  _finish(tmp_path, tmp_path / "run")
  _finish(tmp_path, tmp_path / "whole")
  fault_testing.assert_same_runs(tmp_path / "whole", tmp_path / "run")


@pytest.mark.slow
def test_killed_run_of_float16_goes_on_with_its_loss_scale(tmp_path):
  half = {"mixed_precision_dtype": "float16"}
  fault_testing.write_run(tmp_path, trainer=LOOPS, runtime=half)
  _finish(tmp_path, tmp_path / "whole")
  found = fault_testing.variables(
    tf.train.latest_checkpoint(str(tmp_path / "whole"))
  )
  assert any("loss_scale" in name for name in found)
  run = tmp_path / "run"
  process = fault_testing.start(tmp_path, run)
  assert fault_testing.kill_at(process, 14) == -signal.SIGKILL
  _finish(tmp_path, run)
  fault_testing.assert_same_runs(tmp_path / "whole", run)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_killed_at_a_random_moment(folder, tmp_path, number):
  rng = random.Random(number)
  run = tmp_path / "run"
  for _ in range(rng.choice([1, 1, 2])):
    process = fault_testing.start(folder, run)
    step = rng.randrange(0, fault_testing.STEPS - 1)
    fault_testing.kill_at(process, step, rng.random() * 0.3)
  _finish(folder, run)
  fault_testing.assert_same_runs(folder / "whole", run)
