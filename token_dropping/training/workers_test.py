# SPDX-License-Identifier: Apache-2.0
"""Tests of several workers that train one run, are killed and go on."""

import signal

import numpy as np
import pytest
import tensorflow as tf

from tests import fault_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.training import run_dir
from token_dropping.training import workers

# Of one file, whose order is kept, two workers read what one would.
SHARED = {
  "runtime": {"distribution_strategy": "multi_worker_mirrored"},
  "task": {
    "model": {
      "encoder": {"any": {"dropout_rate": 0.0, "attention_dropout_rate": 0.0}}
    },
    "train_data": {"shuffle_buffer_size": 1},
  },
  # Without it Adam makes steps of rounding errors.
  "trainer": {"optimizer_config": {"optimizer": {"adamw": {"epsilon": 1e-3}}}},
}


def test_one_worker_agrees_with_itself():
  for strategy in (tf.distribute.get_strategy(), testing.mirrored(2)):
    assert workers.is_alone(strategy)
    assert workers.is_chief(strategy)
    assert workers.any_of(strategy, True) is True
    assert workers.any_of(strategy, False) is False


def test_the_chief_does_what_it_is_to_do_and_its_error_is_raised():
  done = []
  workers.chief_first(tf.distribute.get_strategy(), lambda: done.append(1))
  assert done == [1]
  with pytest.raises(IndexError):
    workers.chief_first(tf.distribute.get_strategy(), [].pop)


@pytest.fixture
def folder(tmp_path):
  """Records in one file, and a config for workers."""
  fault_testing.write_run(tmp_path, **SHARED)
  for number in (1, 2):
    (tmp_path / f"train-{number}").unlink()
  records = [testing.random_features(seed) for seed in range(40)]
  testing.write_records(tmp_path / "train-0", records)
  return tmp_path


def _start(folder, model_dir) -> list:
  """Starts two workers."""
  return [
    fault_testing.start(folder, model_dir, variables=variables)
    for variables in testing.cluster_variables(2)
  ]


def _finish(folder, model_dir) -> list[tuple[int, str]]:
  """Runs two workers to their end; returns exit codes and messages."""
  started = _start(folder, model_dir)
  messages = [worker.communicate(timeout=500)[1] for worker in started]
  codes = [worker.returncode for worker in started]
  return list(zip(codes, messages, strict=True))


def _assert_finishes(folder, model_dir) -> None:
  for code, message in _finish(folder, model_dir):
    assert code == 0, message


@pytest.mark.slow
def test_killed_workers_go_on(folder):
  whole, run = folder / "whole", folder / "run"
  _assert_finishes(folder, whole)

  started = _start(folder, run)
  assert fault_testing.kill_at(started[0], 14) == -signal.SIGKILL
  started[1].kill()
  started[1].communicate()
  assert tf.train.latest_checkpoint(str(run)) == str(run / "ckpt-12")
  _assert_finishes(folder, run)
  fault_testing.assert_same_runs(whole, run)

  runtime = {"runtime": {"distribution_strategy": "one_device"}}
  fault_testing.write_config(folder, **testing.merged(SHARED, runtime))
  alone = fault_testing.start(folder, folder / "alone")
  _, message = alone.communicate()
  assert alone.returncode == 0, message
  one = fault_testing.variables(folder / "alone" / "ckpt-24")
  two = fault_testing.variables(whole / "ckpt-24")
  assert one.keys() == two.keys()
  for name, value in one.items():
    np.testing.assert_allclose(two[name], value, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_sigterm_to_one_worker_ends_both_at_the_same_step(folder):
  run = folder / "run"
  started = _start(folder, run)
  assert fault_testing.kill_at(started[0], 4, 0, signal.SIGTERM) == 143
  message = started[1].communicate()[1].strip().split("\n")[-1]
  assert started[1].returncode == 143
  step = tf.train.latest_checkpoint(str(run)).rsplit("-", 1)[1]
  assert message.startswith(f"stopped by SIGTERM at step {step}, ")


@pytest.mark.slow
def test_a_folder_in_use_is_refused_to_both(folder):
  (folder / "run").mkdir()
  with run_dir.held(str(folder / "run")):
    (first, message), (second, other) = _finish(folder, folder / "run")
  assert first == second == errors.EXIT_CODE
  assert "error: --model_dir must be a folder in which no other" in message
  assert (
    "error: the first worker must be able to use --model_dir. Received: an "
    "error, which that worker reports" in other
  )
