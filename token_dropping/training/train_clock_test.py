# SPDX-License-Identifier: Apache-2.0
"""Tests of the clock of training, with clocks that are set by hand."""

import pytest
import tensorflow as tf

from token_dropping.training import train_clock


class _Process:
  """A process: a step takes 2 s and 3 s of CPU, its first one 100 s."""

  def __init__(self, step: tf.Variable):
    self.step, self.now, self.first = step, 0.0, True
    self.clock = train_clock.TrainClock(
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
  process.train("iterator", tf.constant(3))
  assert process.outputs() == {"train_seconds": 8, "train_cpu_seconds": 12}


def test_time_between_loops_does_not_count(step):
  process = _Process(step)
  process.train("iterator", tf.constant(2))
  process.now += 1000.0  # an evaluation
  process.train("iterator", tf.constant(2))
  assert process.outputs() == {"train_seconds": 8, "train_cpu_seconds": 12}


def test_a_loop_that_stops_in_its_first_step(step):
  process = _Process(step)
  process.stops_in = 1
  process.train("iterator", tf.constant(5))
  assert step.numpy() == 1


def test_a_loop_that_stops_early(step):
  process = _Process(step)
  process.stops_in = 3
  process.train("iterator", tf.constant(5))
  assert step.numpy() == 3
  assert process.outputs()["train_seconds"] == 6


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
