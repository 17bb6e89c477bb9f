# SPDX-License-Identifier: Apache-2.0
"""Every drop type trains from YAML alone, goes on, and trains on replicas."""

import functools
import pathlib

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


def _task(drop_type: str) -> dict:
  """Returns changes to the tiny task; in its middle there are two layers."""
  fields = {"num_layers": 4, "drop": {"type": drop_type}}
  return {"model": {"encoder": {"any": fields}}}


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
  """Returns what gives the folder of a drop type's run, launched once."""

  @functools.cache
  def launch(drop_type: str) -> pathlib.Path:
    folder = tmp_path_factory.mktemp(drop_type)
    fault_testing.write_run(folder, task=_task(drop_type), trainer=SHORT)
    fault_testing.launch(folder, folder / "run", mode="train")
    return folder / "run"

  return launch


@pytest.mark.parametrize("drop_type", ["context", "layerwise", "pool"])
def test_trains_to_an_ordinary_bert(drop_type, launched):
  run = launched(drop_type)
  assert (run / "ckpt-2.index").exists()
  testing.restore_bert(run, num_layers=4)


@pytest.mark.slow
def test_layers_make_the_same_choices_in_a_run_that_goes_on(launched):
  whole = launched("layerwise")
  cut = whole.parent / "cut"
  testing.copy_as_it_was(whole, 1, cut)
  fault_testing.launch(whole.parent, cut, mode="train")
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


def test_two_replicas_train_as_one():
  replica_testing.assert_same(_train(2), _train(1))
