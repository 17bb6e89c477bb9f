# SPDX-License-Identifier: Apache-2.0
"""ModernBERT through the launcher, and on replicas."""

import numpy as np
import pytest

from tests import config_testing
from tests import fault_testing
from tests import modernbert_testing
from tests import replica_testing
from tests import testing

NAME = modernbert_testing.EXPERIMENT
BY_LOSS = {"type": "mlm_loss"}
SHORT = {
  "trainer": {"train_steps": 2, "steps_per_loop": 1, "checkpoint_interval": 1}
}


def _launch(folder, run: str, mode="train_and_eval") -> None:
  fault_testing.launch(folder, folder / run, mode=mode, experiment=NAME)


@testing.eagerly()
def test_a_run_is_saved_restored_and_evaluated(tmp_path, capsys):
  fault_testing.write_records(tmp_path)
  one_step = {"trainer": {"train_steps": 1, "validation_interval": 1}}
  fault_testing.write_tiny(tmp_path, modernbert_testing.TINY, one_step)
  _launch(tmp_path, "run")
  (line,) = _validation_lines(capsys)
  names = fault_testing.variables(tmp_path / "run" / "ckpt-1")
  layer = "encoder/_transformer_layers/1/attention/qkv_kernel"
  assert f"{layer}/.ATTRIBUTES/VARIABLE_VALUE" in names
  _launch(tmp_path, "run", mode="eval")
  assert _validation_lines(capsys) == [line]


def _validation_lines(capsys) -> list[str]:
  lines = capsys.readouterr().out.splitlines()
  return [line for line in lines if line.startswith("  validation loss")]


@pytest.mark.slow
def test_a_run_that_goes_on_ends_with_the_same_bits(tmp_path):
  """With dropout, of attention weights too."""
  fault_testing.write_records(tmp_path)
  fault_testing.write_config(
    tmp_path, **testing.merged(modernbert_testing.TINY, SHORT)
  )
  _launch(tmp_path, "whole", mode="train")
  testing.copy_as_it_was(tmp_path / "whole", 1, tmp_path / "cut")
  _launch(tmp_path, "cut", mode="train")
  fault_testing.assert_same(
    *(
      fault_testing.variables(tmp_path / run / "ckpt-2")
      for run in ("cut", "whole")
    )
  )


def _train(replicas: int) -> list:
  changes = testing.merged(
    modernbert_testing.TINY,
    # Random choices of replicas differ, those by loss do not.
    {"task": {"model": {"encoder": {"any": {"importance": BY_LOSS}}}}},
    {"trainer": {"optimizer_config": replica_testing.STEADY}},
  )
  strategy = testing.mirrored(replicas)
  run = replica_testing.Run(strategy, changes, name=NAME)
  losses = run.train(replica_testing.make_records(16, padding_every=8))
  return [*losses, *run.learnt()]


@pytest.mark.slow
@testing.eagerly()
def test_two_replicas_train_as_one():
  one = _train(1)
  replica_testing.assert_same(_train(2), one)
  assert np.isfinite(one[0])


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("num_layers", 4, "num_layers must be 1 more than a multiple of "),
    ("local_attention", 18, "local_attention must be at most 16, the data's "),
    ("local_attention", 3, "local_attention must be even: "),
    ("drop.type", "pool", "drop.type must be skip, context or layerwise "),
  ],
)
def test_wrong_fields_are_one_line_with_their_path(field, value, message):
  any_path = "task.model.encoder.any"
  changes = modernbert_testing.TINY | {f"{any_path}.{field}": value}
  refusal = config_testing.refused_changes(changes, NAME)
  assert refusal.startswith(f"{any_path}.{message}")
