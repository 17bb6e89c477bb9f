# SPDX-License-Identifier: Apache-2.0
"""N replicas train as one does on the whole batch."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest

from tests import replica_testing
from tests import testing


@pytest.fixture(scope="module")
def single():
  """A run on one replica: losses, table, metrics."""
  return _train(1)


def _train(replicas: int):
  run = replica_testing.Run(testing.mirrored(replicas))
  losses = run.train(replica_testing.all_records())
  return losses, run.tables(), run.scores()


@pytest.mark.parametrize(
  "replicas", [2, pytest.param(4, marks=pytest.mark.slow)]
)
def test_replicas_learn_what_one_does(single, replicas):
  losses, tables, scores = _train(replicas)
  assert len(losses) == replica_testing.STEPS
  replica_testing.assert_same(losses, single[0])
  assert len(tables) == replicas
  for table in tables:
    np.testing.assert_array_equal(table, tables[0])
  replica_testing.assert_same(tables[0], single[1][0])
  assert scores == pytest.approx(single[2], abs=1e-5)


def test_training_moves_what_is_compared(single):
  losses, tables, _ = single
  assert np.mean(losses[-5:]) < np.mean(losses[:5])
  assert np.ptp(tables[0][5:]) > 0.01


@pytest.mark.slow
def test_two_workers_learn_what_one_does(single, tmp_path):
  command = [sys.executable, "-m", "tests.replica_testing", tmp_path]
  workers = [
    subprocess.Popen(command, env=os.environ | variables)
    for variables in testing.cluster_variables(2)
  ]
  try:
    assert [worker.wait(timeout=180) for worker in workers] == [0, 0]
  finally:
    for worker in workers:
      worker.kill()
  for index in range(2):
    found = np.load(tmp_path / f"worker{index}.npz")
    replica_testing.assert_same(found["losses"], single[0])
    replica_testing.assert_same(found["table"], single[1][0])


# Gradient accumulation.


def _train_in_slices(replicas: int, slices: int) -> list:
  changes = {
    "task": {"gradient_accumulation_steps": slices},
    "trainer": {"optimizer_config": replica_testing.STEADY},
  }
  run = replica_testing.Run(testing.mirrored(replicas), changes)
  losses = run.train(replica_testing.make_records(24, padding_every=8))
  return [*losses, run.optimizer.iterations.numpy(), *run.learnt()]


@pytest.fixture(scope="module")
def whole():
  """What one replica learns from the whole batches."""
  with testing.eagerly():
    return _train_in_slices(replicas=1, slices=1)


@pytest.mark.parametrize(
  ("replicas", "slices", "mode"),
  [
    pytest.param(1, 4, contextlib.nullcontext, marks=pytest.mark.slow),
    pytest.param(2, 2, contextlib.nullcontext, marks=pytest.mark.slow),
    (2, 2, testing.eagerly),
  ],
)
def test_slices_train_as_the_whole_batch(whole, replicas, slices, mode):
  with mode():
    replica_testing.assert_same(_train_in_slices(replicas, slices), whole)
