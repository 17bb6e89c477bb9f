# SPDX-License-Identifier: Apache-2.0
"""Tests of runs that are killed or stopped and started again."""

import random
import signal

import pytest
import tensorflow as tf

from token_dropping import controller
from token_dropping import fault_testing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Records and config, and `whole`, a run in a process of its own."""
  folder = tmp_path_factory.mktemp("faults")
  fault_testing.write_run(folder)
  process = fault_testing.start(folder, folder / "whole")
  _, messages = process.communicate()
  assert process.returncode == 0, messages
  return folder


def _finish(folder, model_dir) -> None:
  process = fault_testing.start(folder, model_dir)
  _, messages = process.communicate()
  assert process.returncode == 0, messages


def test_killed_run_equals_one_that_was_not(folder, tmp_path):
  run = tmp_path / "run"
  process = fault_testing.start(folder, run)
  # An evaluation, a checkpoint at 12 and the second epoch lie before.
  assert fault_testing.kill_at(process, 14) == -signal.SIGKILL
  assert tf.train.latest_checkpoint(str(run)) == str(run / "ckpt-12")
  _finish(folder, run)
  fault_testing.assert_same_runs(folder / "whole", run)


def test_sigterm_saves_and_the_run_goes_on(folder, tmp_path):
  run = tmp_path / "run"
  process = fault_testing.start(folder, run)
  code = fault_testing.signal_at(process, 8, 0.0, signal.SIGTERM)
  assert code == controller.TERMINATED == 143
  step = int(tf.train.latest_checkpoint(str(run)).rsplit("-", 1)[1])
  assert 8 <= step < fault_testing.STEPS
  _finish(folder, run)
  fault_testing.assert_same_runs(folder / "whole", run)


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
