# SPDX-License-Identifier: Apache-2.0
"""Every drop type trains from YAML alone, goes on, and trains on replicas."""

import numpy as np
import pytest

from tests import fault_testing
from tests import replica_testing
from tests import testing

SHORT = {
  "train_steps": 2,
  "steps_per_loop": 1,
  "summary_interval": 1,
  "checkpoint_interval": 1,
}
# `layerwise`, which has choices of its own in every layer, stands for all.
SLOW = [
  pytest.param(name, marks=pytest.mark.slow) for name in ("context", "pool")
]


def _task(drop_type: str) -> dict:
  """Returns changes to the tiny task; in its middle there are two layers."""
  fields = {"num_layers": 4, "drop": {"type": drop_type}}
  return {"model": {"encoder": {"any": fields}}}


@pytest.mark.parametrize("drop_type", ["layerwise", *SLOW])
def test_trains_to_an_ordinary_bert_and_goes_on(drop_type, tmp_path):
  fault_testing.write_run(tmp_path, task=_task(drop_type), trainer=SHORT)
  whole, cut = tmp_path / "whole", tmp_path / "cut"
  fault_testing.launch(tmp_path, whole, mode="train")
  testing.restore_bert(whole, num_layers=4)
  testing.copy_as_it_was(whole, 1, cut)
  fault_testing.launch(tmp_path, cut, mode="train")
  found, expected = (
    fault_testing.variables(run / "ckpt-2") for run in (cut, whole)
  )
  assert found.keys() == expected.keys()
  for name, value in expected.items():
    np.testing.assert_array_equal(found[name], value)


def _train(replicas: int) -> list:
  strategy = testing.mirrored(replicas)
  run = replica_testing.Run(strategy, {"task": _task("pool")})
  records = replica_testing.make_records(24, padding_every=8)
  losses = run.train(replica_testing.distribute(strategy, records))
  assert run.scores()["kept_share"] == pytest.approx(0.5)
  return [*losses, run.tables()[0], *run.scores().values()]


@pytest.mark.slow
def test_two_replicas_train_as_one():
  replica_testing.assert_same(_train(2), _train(1))
