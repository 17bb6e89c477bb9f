# SPDX-License-Identifier: Apache-2.0
"""Every drop type trains from YAML alone, goes on, and trains on replicas."""

import pathlib

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


def _trained(folder: pathlib.Path, drop_type: str) -> pathlib.Path:
  """Returns the folder of a run, whose checkpoint holds an ordinary BERT."""
  fault_testing.write_run(folder, task=_task(drop_type), trainer=SHORT)
  fault_testing.launch(folder, folder / "whole", mode="train")
  testing.restore_bert(folder / "whole", num_layers=4)
  return folder / "whole"


@testing.eagerly()
def test_trains_to_an_ordinary_bert(tmp_path):
  """The layers of this type make choices of their own."""
  _trained(tmp_path, "layerwise")


@pytest.mark.slow
@pytest.mark.parametrize("drop_type", ["context", "layerwise", "pool"])
def test_a_run_that_goes_on_ends_with_the_same_bits(drop_type, tmp_path):
  whole, cut = _trained(tmp_path, drop_type), tmp_path / "cut"
  testing.copy_as_it_was(whole, 1, cut)
  fault_testing.launch(tmp_path, cut, mode="train")
  fault_testing.assert_same(
    *(fault_testing.variables(run / "ckpt-2") for run in (cut, whole))
  )


def _train(replicas: int) -> list:
  changes = {"task": _task("pool")}
  run = replica_testing.Run(testing.mirrored(replicas), changes)
  losses = run.train(replica_testing.make_records(24, padding_every=8))
  assert run.scores()["kept_share"] == pytest.approx(0.5)
  return [*losses, run.tables()[0], *run.scores().values()]


@pytest.mark.slow
def test_two_replicas_train_as_one():
  replica_testing.assert_same(_train(2), _train(1))
