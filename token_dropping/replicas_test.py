# SPDX-License-Identifier: Apache-2.0
"""N replicas train as one does on the whole batch."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from token_dropping import replica_testing
from token_dropping import testing

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def single():
  """A run on one replica: losses, table, metrics."""
  return _train(1)


def _train(replicas: int):
  strategy = testing.mirrored(replicas)
  run = replica_testing.Run(strategy)
  records = replica_testing.all_records()
  losses = run.train(replica_testing.distribute(strategy, records))
  return losses, run.tables(), run.scores()


def _assert_same(found, expected) -> None:
  np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("replicas", [2, 4])
def test_replicas_learn_what_one_does(single, replicas):
  losses, tables, scores = _train(replicas)
  assert len(losses) == replica_testing.STEPS
  _assert_same(losses, single[0])
  assert len(tables) == replicas
  for table in tables:
    np.testing.assert_array_equal(table, tables[0])
  _assert_same(tables[0], single[1][0])
  for name, value in single[2].items():
    np.testing.assert_allclose(scores[name], value, atol=TOLERANCE)


def test_training_moves_what_is_compared(single):
  losses, tables, _ = single
  assert losses[-1] < losses[0] - 0.01
  assert np.ptp(tables[0][5:]) > 0.01


def test_two_workers_learn_what_one_does(single, tmp_path):
  addresses = [f"127.0.0.1:{port}" for port in _free_ports(2)]
  command = [sys.executable, "-m", "token_dropping.replica_testing", tmp_path]
  workers = []
  for index in range(2):
    config = {
      "cluster": {"worker": addresses},
      "task": {"type": "worker", "index": index},
    }
    environment = os.environ | {"TF_CONFIG": json.dumps(config)}
    workers.append(subprocess.Popen(command, env=environment))
  try:
    assert [worker.wait(timeout=180) for worker in workers] == [0, 0]
  finally:
    for worker in workers:
      worker.kill()
  for index in range(2):
    found = np.load(tmp_path / f"worker{index}.npz")
    _assert_same(found["losses"], single[0])
    _assert_same(found["table"], single[1][0])


def _free_ports(count: int) -> list[int]:
  sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
  ports = [each.getsockname()[1] for each in sockets]
  for each in sockets:
    each.close()
  return ports
