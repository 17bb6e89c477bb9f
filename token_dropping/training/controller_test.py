# SPDX-License-Identifier: Apache-2.0
"""Tests of the grid of loops, evaluations and checkpoints, and of stopping."""

import os
import signal
import time

import orbit
import pytest
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.training import controller
from token_dropping.training import stop_request

END = 13


class _Counter(orbit.AbstractTrainer, orbit.AbstractEvaluator):
  """Counts steps and notes what it was asked for.

  Args:
    terminated_at: step after which SIGTERM comes.
  """

  def __init__(self, terminated_at: int | None = None):
    self.step = orbit.utils.create_global_step()
    self.stop = stop_request.StopRequest()
    self.loops, self.evaluations = [], []
    self._terminated_at = terminated_at

  def train(self, num_steps):
    begin = int(self.step)
    for _ in range(int(num_steps)):
      self.step.assign_add(1)
      if int(self.step) == self._terminated_at:
        self._terminate()
        break
    self.loops.append((begin, int(self.step)))
    return {"value": tf.cast(self.step, tf.float32)}

  def _terminate(self) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    while not self.stop.flag:
      time.sleep(0.01)

  def evaluate(self, num_steps):
    del num_steps
    self.evaluations.append(int(self.step))


def _make(folder, counter: _Counter, **fields) -> controller.Controller:
  manager = tf.train.CheckpointManager(
    tf.train.Checkpoint(step=counter.step),
    str(folder),
    max_to_keep=None,
    step_counter=counter.step,
    checkpoint_interval=5,
  )
  fields = {"steps_per_loop": 4, "summary_interval": 4} | fields
  return controller.Controller(
    model_dir=str(folder),
    trainer=counter,
    evaluator=counter,
    global_step=counter.step,
    checkpoint_manager=manager,
    summary_dir=str(folder / "train"),
    eval_summary_dir=str(folder / "validation"),
    **fields,
  )


def _run(folder, terminated_at: int | None = None) -> _Counter:
  """Trains and evaluates to the end, or to the signal."""
  counter = _Counter(terminated_at)
  made = _make(folder, counter)
  if terminated_at in (None, END):
    made.train_and_evaluate(END, eval_interval=6)
  else:
    with pytest.raises(errors.StoppedError) as caught:
      made.train_and_evaluate(END, eval_interval=6)
    assert caught.value.code == 143
    assert str(caught.value) == (
      f"stopped by SIGTERM at step {terminated_at}, which is saved; the same "
      "command goes on"
    )
  return counter


def _saved(folder) -> list[int]:
  state = tf.train.get_checkpoint_state(str(folder))
  return [int(p.rsplit("-", 1)[1]) for p in state.all_model_checkpoint_paths]


def _summaries(folder) -> list[int]:
  """Returns the steps at which training's summary was written."""
  return [
    event.step
    for path in sorted((folder / "train").glob("events*"))
    for event in tf.compat.v1.train.summary_iterator(str(path))
    for value in event.summary.value
    if value.tag == "value"
  ]


def test_loops_evaluations_and_checkpoints(tmp_path):
  counter = _run(tmp_path)
  assert counter.loops == [(0, 4), (4, 6), (6, 8), (8, 12), (12, 13)]
  assert counter.evaluations == [6, 12, 13]
  # At the end of the loops in which 5 and 10 lie, and of the run.
  assert _saved(tmp_path) == [6, 12, 13]
  assert _summaries(tmp_path) == [4, 6, 8, 12, 13]


def test_training_alone_saves_at_its_end(tmp_path):
  counter = _Counter()
  _make(tmp_path, counter).train(6)
  assert counter.loops == [(0, 4), (4, 6)]
  assert counter.evaluations == []
  assert _saved(tmp_path) == [6]


def test_without_an_interval_evaluation_comes_at_the_end(tmp_path):
  counter = _Counter()
  _make(tmp_path, counter).train_and_evaluate(6)
  assert counter.evaluations == [6]


@pytest.mark.parametrize("step", [1, 6, 7, 11])
def test_a_stopped_run_goes_on_as_if_it_was_not(tmp_path, step):
  whole, stopped = tmp_path / "whole", tmp_path / "stopped"
  first = _run(whole)
  loops = _run(stopped, terminated_at=step).loops
  assert loops[-1][1] == step == _saved(stopped)[-1]
  loops += _run(stopped).loops
  # One loop may have become two.
  assert {end for _, end in loops} - {step} == {
    end for _, end in first.loops
  } - {step}
  assert set(_saved(stopped)) == {*_saved(whole), step}
  assert _summaries(stopped) == _summaries(whole)
  counters = [
    tf.train.load_variable(
      str(folder / "ckpt-13"), "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
    )
    for folder in (whole, stopped)
  ]
  assert counters[0] == counters[1]


def test_an_evaluation_that_is_due_comes_before_the_stop(tmp_path):
  assert _run(tmp_path, terminated_at=6).evaluations == [6]


def test_sigterm_in_the_last_step_changes_nothing(tmp_path):
  assert _run(tmp_path, terminated_at=END).evaluations == [6, 12, 13]
  assert _saved(tmp_path)[-1] == END


def test_loop_start_is_where_the_last_loop_began(tmp_path):
  counter = _Counter()
  made = _make(tmp_path, counter)
  assert made.loop_start == 0
  made.train(6)
  assert made.loop_start == 4
