# SPDX-License-Identifier: Apache-2.0
"""Tests of fine-tuning runs that are cut off and started again."""

import pytest
import tensorflow as tf

from tests import fault_testing
from tests import finetune_testing
from tests import run_testing
from tests import testing
from token_dropping.training import progress

RATE = "trainer.optimizer_config.learning_rate.polynomial.initial_learning_rate"
OVERRIDES = (
  "runtime.distribution_strategy=one_device,task.deterministic=true",
  "task.train_data.shuffle_buffer_size=5,trainer.train_steps=10",
  f"{RATE}=0.01,trainer.checkpoint_interval=4,trainer.validation_interval=4",
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


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
  """Folder of a pretraining run."""
  path = tmp_path_factory.mktemp("runs") / "pretrained"
  run_testing.make_run(path)
  return path


def _launch(experiment, pretrained, data, model_dir, overrides) -> None:
  testing.launch(
    experiment=experiment,
    pretrained=pretrained,
    params_override=",".join([f"task.data_dir={data}", *OVERRIDES, *overrides]),
    model_dir=model_dir,
    mode="train_and_eval",
  )


@pytest.mark.slow
@pytest.mark.parametrize("experiment", CASES)
def test_a_run_that_was_cut_off_equals_one_that_was_not(
  experiment, pretrained, tmp_path, monkeypatch
):
  prepare, *overrides = CASES[experiment]
  data = prepare(tmp_path / "data", pretrained)

  def launch(model_dir) -> None:
    _launch(experiment, pretrained, data, model_dir, overrides)

  launch(tmp_path / "whole")
  report = progress.ProgressReporter.on_train

  def cut(self, output) -> None:
    report(self, output)
    step = int(self._global_step.numpy())
    if step == 8:  # in the third epoch of the sentences; 4 is saved
      raise _Cut

  with monkeypatch.context() as patch:
    patch.setattr(progress.ProgressReporter, "on_train", cut)
    with pytest.raises(_Cut):
      launch(tmp_path / "run")
  run = tmp_path / "run"
  assert tf.train.latest_checkpoint(str(run)) == str(run / "ckpt-4")
  launch(run)
  fault_testing.assert_same_runs(tmp_path / "whole", run)
