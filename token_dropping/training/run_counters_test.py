# SPDX-License-Identifier: Apache-2.0
"""Tests of what a run counts, the clocks set by hand."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from token_dropping.training import run_counters


class _Process:
  """A process: a step takes 2 s and 3 s of CPU, its first one 100 s."""

  def __init__(self, step: tf.Variable):
    self.step, self.now, self.first = step, 0.0, True
    self.clock = run_counters.TrainClock(
      step, wall=lambda: self.now, cpu=lambda: 1.5 * self.now
    )
    self.stops_in = None
    self.train = self.clock.timed(self._loop, self._stops)

  def _loop(self, iterator, num_steps):
    assert iterator == "iterator"
    for _ in range(int(num_steps)):
      self.now += 100.0 if self.first else 2.0
      self.first = False
      self.step.assign_add(1)
      if self._stops():
        return

  def _stops(self) -> bool:
    return int(self.step.numpy()) == self.stops_in

  def outputs(self) -> dict:
    found = {}
    self.clock.on_train(found)
    return found


@pytest.fixture
def step():
  return tf.Variable(0, dtype=tf.int64)


def test_first_step_gets_the_mean_of_the_others(step):
  process = _Process(step)
  process.train("iterator", tf.constant(1))
  assert process.outputs() == {"train_seconds": 0, "train_cpu_seconds": 0}
  assert process.clock.step_seconds is None
  process.now += 1000.0  # an evaluation, which does not count
  process.train("iterator", tf.constant(3))
  assert process.outputs() == {"train_seconds": 8, "train_cpu_seconds": 12}
  assert process.clock.step_seconds == 2


@pytest.mark.parametrize(("stops_in", "seconds"), [(1, 0), (3, 6)])
def test_a_loop_that_stops_early(step, stops_in, seconds):
  process = _Process(step)
  process.stops_in = stops_in
  process.train("iterator", tf.constant(5))
  assert step.numpy() == stops_in
  assert process.outputs()["train_seconds"] == seconds


def test_a_run_that_goes_on(step, tmp_path):
  process = _Process(step)
  process.train("iterator", tf.constant(4))
  saved = tf.train.Checkpoint(step=step, clock=process.clock)
  path = saved.save(str(tmp_path / "ckpt"))

  other = _Process(tf.Variable(0, dtype=tf.int64))
  saved = tf.train.Checkpoint(step=other.step, clock=other.clock)
  saved.restore(path).assert_consumed()
  other.train("iterator", tf.constant(6))
  assert other.outputs() == {"train_seconds": 20, "train_cpu_seconds": 30}


# Skipped records.


def _counter(limit: int, first: str | None = "f-0, record 3"):
  data = types.SimpleNamespace(max_bad_records=limit)
  task = types.SimpleNamespace(
    task_config=types.SimpleNamespace(train_data=data, validation_data=data),
    skippers={
      path: types.SimpleNamespace(first=first)
      for path in ("task.train_data", "task.validation_data")
    },
  )
  return run_counters.SkipCounter(task)


def _outputs(count: int) -> dict:
  return {"skipped_records": np.float32(count), "loss": 1.0}


def test_loops_add_up():
  counter = _counter(5)
  for count, total in ((2, 2), (0, 2), (3, 5)):
    outputs = _outputs(count)
    counter.on_train(outputs)
    assert outputs == {"skipped_records": total, "loss": 1.0}
  assert int(counter.trained) == 5
  assert testing.refused(counter.on_train, _outputs(1)) == (
    "task.train_data.max_bad_records must be at least the bad records that "
    "were skipped (6; the first one: f-0, record 3). Received: 5"
  )


def test_every_evaluation_is_counted_anew():
  counter = _counter(2, first=None)
  for _ in range(3):
    counter.on_eval(_outputs(2))
  assert int(counter.trained) == 0
  assert testing.refused(counter.on_eval, _outputs(3)) == (
    "task.validation_data.max_bad_records must be at least the bad records "
    "that were skipped (3; the first one: not met by this process). Received: 2"
  )


def test_without_the_flag_there_is_nothing_to_count():
  counter = run_counters.SkipCounter(types.SimpleNamespace())
  outputs = {"loss": 1.0}
  counter.on_train(outputs)
  counter.on_eval(outputs)
  assert outputs == {"loss": 1.0}
