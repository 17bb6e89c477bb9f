# SPDX-License-Identifier: Apache-2.0
"""Tests of a run folder that is made ready to go on."""

import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.training import continuation

STEPS = (2, 4, 6, 8)


@pytest.fixture
def folder(tmp_path):
  """Checkpoints at 2 and 4; training and validation were summarized to 8."""
  step = tf.Variable(0, dtype=tf.int64)
  manager = tf.train.CheckpointManager(
    tf.train.Checkpoint(global_step=step), str(tmp_path), max_to_keep=None
  )
  for number in (2, 4):
    step.assign(number)
    manager.save(number)
  for part in ("train", "checks"):
    with tf.summary.create_file_writer(str(tmp_path / part)).as_default():
      for number in STEPS:
        tf.summary.scalar("loss", 1.0, number)
  return tmp_path


def _prepare(folder, train_steps: int = 10, mode: str = "train_and_eval"):
  trainer = cfg.TrainerConfig(
    train_steps=train_steps, validation_summary_subdir="checks"
  )
  params = cfg.ExperimentConfig(trainer=trainer)
  continuation.prepare(params, mode, str(folder))


def _steps(folder) -> list[int]:
  return [
    event.step
    for path in sorted(folder.glob("events*"))
    for event in tf.compat.v1.train.summary_iterator(str(path))
    if event.summary.value
  ]


def _damage(folder, step: int) -> None:
  path = folder / f"ckpt-{step}.data-00000-of-00001"
  path.write_bytes(path.read_bytes()[:-1])


def test_summaries_after_the_checkpoint_go(folder, capsys):
  _prepare(folder)
  assert _steps(folder / "train") == _steps(folder / "checks") == [2, 4]
  assert capsys.readouterr().err == ""


def test_summaries_after_the_last_good_checkpoint_go(folder, capsys):
  _damage(folder, 4)
  _prepare(folder)
  assert _steps(folder / "train") == _steps(folder / "checks") == [2]
  error = capsys.readouterr().err
  assert error.startswith(f"warning: checkpoint {folder}/ckpt-4 is damaged: ")
  assert error.endswith(f"; going on from {folder}/ckpt-2\n")
  assert tf.train.latest_checkpoint(str(folder)) == str(folder / "ckpt-2")


def test_a_complete_run_is_evaluated_once_more(folder):
  _prepare(folder, train_steps=4)
  assert _steps(folder / "train") == [2, 4]
  assert _steps(folder / "checks") == [2]


def test_a_complete_run_that_only_trains_keeps_its_evaluation(folder):
  _prepare(folder, train_steps=4, mode="train")
  assert _steps(folder / "checks") == [2, 4]


def test_an_empty_folder_stays_empty(tmp_path):
  _prepare(tmp_path)
  assert list(tmp_path.iterdir()) == []


def test_no_good_checkpoint_changes_no_summary(folder):
  for step in (2, 4):
    _damage(folder, step)
  with pytest.raises(
    errors.UserError, match="--model_dir must hold a whole checkpoint"
  ):
    _prepare(folder)
  assert _steps(folder / "train") == list(STEPS)
