# SPDX-License-Identifier: Apache-2.0
"""What a run counts over all its processes: seconds and skipped records."""

import time
from collections.abc import Callable

import orbit
import tensorflow as tf
from official.core import base_task

from token_dropping.common import errors
from token_dropping.data.batches import record_rules
from token_dropping.training import workers

WALL, CPU = "train_seconds", "train_cpu_seconds"


class TrainClock(tf.Module):
  """Adds up the seconds of training steps; they are saved with the checkpoint.

  Evaluation, saving and start-up do not count. The first step of each process,
  which compiles, is given the mean time of the others. CPU seconds are those of
  all threads of this process, and hardly depend on what else the machine does.
  `step_seconds` is what a step of the last loop took, `None` before there was
  one.
  """

  step_seconds: float | None = None

  def __init__(
    self,
    global_step: tf.Variable,
    wall: Callable[[], float] = time.monotonic,
    cpu: Callable[[], float] = time.process_time,
  ):
    super().__init__(name="train_clock")
    self._global_step = global_step
    self._clocks = {WALL: wall, CPU: cpu}
    self.timed_steps = workers.make_counter("timed_steps")
    self.seconds = {
      name: workers.make_counter(name, dtype=tf.float64)
      for name in self._clocks
    }
    self._started = False

  def timed(self, loop: Callable, stops: Callable[[], bool]) -> Callable:
    """Returns the loop, timed; `stops` says whether it was asked to stop."""

    def run(iterator, num_steps: tf.Tensor) -> None:
      if not self._started:
        self._started = True
        loop(iterator, tf.constant(1))
        num_steps -= 1
      if num_steps > 0 and not stops():
        self._time(loop, iterator, num_steps)

    return run

  def _time(self, loop: Callable, iterator, num_steps: tf.Tensor) -> None:
    first = int(self._global_step.numpy())
    starts = {name: clock() for name, clock in self._clocks.items()}
    loop(iterator, num_steps)
    # Reading the step waits for the last one.
    steps = int(self._global_step.numpy()) - first
    self.timed_steps.assign_add(steps)
    taken = {name: self._clocks[name]() - starts[name] for name in starts}
    for name, seconds in taken.items():
      self.seconds[name].assign_add(seconds)
    self.step_seconds = taken[WALL] / steps

  def on_train(self, outputs: dict) -> None:
    """An Orbit action: adds the seconds of the whole run so far."""
    steps = int(orbit.utils.get_value(self._global_step))
    timed = max(int(self.timed_steps.numpy()), 1)
    for name, seconds in self.seconds.items():
      outputs[name] = float(seconds.numpy()) * steps / timed


class SkipCounter:
  """Adds up the skipped records of training; bounds those of each evaluation.

  `on_train` and `on_eval` are Orbit actions, to be called before a checkpoint
  is saved. They raise `UserError` with file and record of the first where too
  many were skipped. The variable `trained` is saved with the checkpoint.
  """

  def __init__(self, task: base_task.Task):
    self._task = task
    self.trained = workers.make_counter(record_rules.SKIPPED)

  def on_train(self, outputs: dict) -> None:
    """Counts a loop; the outputs then have the sum of the whole run."""
    if record_rules.SKIPPED in outputs:
      self.trained.assign_add(_skipped(outputs))
      count = int(self.trained.numpy())
      outputs[record_rules.SKIPPED] = float(count)
      self._bound(count, "train_data")

  def on_eval(self, outputs: dict) -> None:
    if record_rules.SKIPPED in outputs:
      self._bound(_skipped(outputs), "validation_data")

  def _bound(self, count: int, name: str) -> None:
    limit = getattr(self._task.task_config, name).max_bad_records
    # Of several workers, the one that has met it knows which one it was.
    first = self._task.skippers[f"task.{name}"].first
    errors.require(
      count <= limit,
      f"task.{name}.max_bad_records must be at least the bad records that were "
      f"skipped ({count}; the first one: {first or 'not met by this process'})",
      limit,
    )


def _skipped(outputs: dict) -> int:
  return int(orbit.utils.get_value(outputs[record_rules.SKIPPED]))
