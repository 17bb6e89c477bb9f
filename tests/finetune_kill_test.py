# SPDX-License-Identifier: Apache-2.0
"""Tests of fine-tuning runs that are cut off and started again."""

import pytest
import tensorflow as tf

from tests import fault_testing
from tests import finetune_testing
from tests import run_testing
from token_dropping.training import progress

OVERRIDES = (
  "task.deterministic=true",
  "task.train_data.shuffle_buffer_size=5,trainer.train_steps=10",
  f"{finetune_testing.RATE}=0.01",
  "trainer.checkpoint_interval=4,trainer.validation_interval=4",
  "trainer.steps_per_loop=2,trainer.summary_interval=2",
  "task.model.encoder.any.dropout_rate=0.1",
)
# Four steps are an epoch of the 24 sentences; of the two questions, one is.
CASES = {
  finetune_testing.GLUE: (
    finetune_testing.prepare_classes,
    "task.train_data.global_batch_size=6",
    "task.model.encoder.any.token_keep_ratio=0.75",
  ),
  finetune_testing.SQUAD: (
    finetune_testing.prepare_spans,
    "task.train_data.global_batch_size=2",
  ),
}


class _Cut(Exception):
  """Stands for a signal that ends the process."""


@pytest.mark.slow
@pytest.mark.parametrize("experiment", CASES)
def test_a_run_that_was_cut_off_equals_one_that_was_not(
  experiment, tmp_path, monkeypatch
):
  prepare, *overrides = CASES[experiment]
  run_testing.make_run(tmp_path / "pretrained")
  data = prepare(tmp_path / "data", tmp_path / "pretrained")

  def launch(name: str) -> None:
    named = experiment, tmp_path, name, data
    finetune_testing.launch(*named, *overrides, *OVERRIDES)

  report = progress.ProgressReporter.on_train

  def cut(self, output) -> None:
    report(self, output)
    # Step 8 is in the third epoch of the sentences; 4 is saved.
    if int(self._global_step.numpy()) == 8:
      raise _Cut

  whole, run = tmp_path / "whole", tmp_path / "run"
  launch("whole")
  with monkeypatch.context() as patch, pytest.raises(_Cut):
    patch.setattr(progress.ProgressReporter, "on_train", cut)
    launch("run")
  assert tf.train.latest_checkpoint(str(run)) == str(run / "ckpt-4")
  launch("run")
  fault_testing.assert_same_runs(whole, run)
