# SPDX-License-Identifier: Apache-2.0
"""Tests of the best checkpoint."""

import json
import math
import os

import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.training import best_checkpoint


class _Run:
  """A checkpoint of one variable, its step, and an exporter."""

  def __init__(self, folder, comparison: str = "lower", **fields):
    self.folder = folder
    self.step = tf.Variable(0, dtype=tf.int64)
    self.checkpoint = tf.train.Checkpoint(step=self.step)
    self.exporter = best_checkpoint.Exporter(
      str(folder), "loss", comparison, **fields
    )

  def evaluate(self, step: int, loss: float) -> bool:
    self.step.assign(step)
    logs = {"loss": tf.constant(loss)}
    return self.exporter.maybe_export_checkpoint(self.checkpoint, logs, step)

  def saved(self) -> str:
    return os.path.basename(tf.train.latest_checkpoint(str(self.folder)))


def test_the_lowest_stays(tmp_path):
  run = _Run(tmp_path)
  assert math.isnan(run.exporter.best_ckpt_logs["loss"])
  kept = [run.evaluate(s, v) for s, v in ((2, 3.0), (4, 2.0), (6, 2.5))]
  assert kept == [True, True, False]
  assert run.saved() == "best_ckpt-4"
  note = json.loads((tmp_path / "info.json").read_text())
  assert note == {"loss": 2.0, "best_ckpt_global_step": 4.0}
  assert float(run.exporter.best_ckpt_logs["loss"]) == 2.0
  assert int(run.checkpoint.save_counter) == 4  # the step


def test_the_highest_stays(tmp_path):
  run = _Run(tmp_path, "higher")
  assert [run.evaluate(2, 0.5), run.evaluate(4, 0.25)] == [True, False]
  assert run.saved() == "best_ckpt-2"


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_never_the_best(tmp_path, loss):
  run = _Run(tmp_path)
  assert not run.evaluate(2, loss)
  assert list(tmp_path.iterdir()) == []
  assert run.evaluate(4, 9.0)


def test_another_process_goes_on_from_the_note(tmp_path):
  _Run(tmp_path).evaluate(2, 2.0)
  run = _Run(tmp_path)
  assert not run.evaluate(4, 3.0)
  assert run.evaluate(6, 1.0)
  assert run.saved() == "best_ckpt-6"
  assert not os.path.exists(tmp_path / "best_ckpt-2.index")


def test_killed_before_the_note_the_step_is_the_best_again(tmp_path):
  run = _Run(tmp_path)
  run.evaluate(2, 2.0)
  note = (tmp_path / "info.json").read_text()
  run.evaluate(4, 1.0)
  (tmp_path / "info.json").write_text(note)
  again = _Run(tmp_path)
  assert again.evaluate(4, 1.0)
  assert again.saved() == "best_ckpt-4"


def test_what_is_no_note_or_has_no_checkpoint_is_not_the_best(tmp_path):
  note = tmp_path / "info.json"
  for text in ("", "[]", '{"other": 1.0}', '{"loss": null}', '{"loss": NaN}'):
    note.write_text(text)
    assert _Run(tmp_path).evaluate(2, 2.0), text
  (tmp_path / "best_ckpt-2.index").unlink()
  assert _Run(tmp_path).evaluate(4, 3.0)


def test_a_worker_that_does_not_write_decides_alike(tmp_path):
  run = _Run(tmp_path, writes=False)
  kept = [run.evaluate(s, v) for s, v in ((2, 3.0), (4, 2.0), (6, 2.5))]
  assert kept == [True, True, False]
  assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept_unless_asked_for():
  trainer = cfg.TrainerConfig()
  params = cfg.ExperimentConfig(trainer=trainer)
  for folder, subdir, metric in (
    (None, "best", "loss"),
    ("run", "", "loss"),
    ("run", "best", ""),
  ):
    trainer.best_checkpoint_export_subdir = subdir
    trainer.best_checkpoint_eval_metric = metric
    assert best_checkpoint.make_exporter(params, folder) is None
