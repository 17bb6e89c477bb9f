# SPDX-License-Identifier: Apache-2.0
"""Orbit's training loop on a fixed grid of steps, and how a run is stopped."""

import signal
import threading

import orbit
import tensorflow as tf

from token_dropping import errors

# 128 + 15, what a shell shows for a process that SIGTERM ended.
TERMINATED = 143


class Controller(orbit.Controller):
  """Trains, evaluates and saves at steps that do not depend on the start.

  Orbit counts loops, evaluations and checkpoints from the step at which a
  process starts. Here a loop ends at multiples of `steps_per_loop` and of the
  evaluation interval, and a checkpoint is due when a multiple of its interval
  is passed, so that a run that goes on does what it would have done. An
  evaluation comes before the checkpoint of its step: what a checkpoint stands
  for is complete.

  Args:
    *args: of `orbit.Controller`.
    **kwargs: likewise.
  """

  _loop_start = 0

  @property
  def loop_start(self) -> int:
    """The step before which the last loop began."""
    return self._loop_start

  def train(self, steps: int, checkpoint_at_completion: bool = True) -> None:
    """Trains to a step; saves at the end."""
    self._run(steps, None, None)
    if checkpoint_at_completion:
      self._save()

  def train_and_evaluate(
    self, train_steps: int, eval_steps: int = -1, eval_interval: int = 0
  ):
    """Trains to a step, evaluates at multiples of `eval_interval` and there."""
    output = self._run(train_steps, eval_interval or train_steps, eval_steps)
    self._save()
    return output

  def _run(self, end: int, eval_interval: int | None, eval_steps: int | None):
    output = None
    step = self._loop_start = int(self.global_step.numpy())
    with _StopRequest() as stop:
      while step < end:
        begin = self._loop_start = step
        step = self._loop_end(step, end, eval_interval)
        self._train_n_steps(step - begin)
        if eval_interval and (step % eval_interval == 0 or step == end):
          output = self.evaluate(steps=eval_steps)
        interval = self.checkpoint_manager.checkpoint_interval
        if stop.is_set() or step // interval > begin // interval:
          self._save()
        if stop.is_set() and step < end:
          raise errors.StoppedError(
            f"stopped by SIGTERM at step {step}, which is saved; the same "
            "command goes on",
            TERMINATED,
          )
    return output

  def _loop_end(self, step: int, end: int, eval_interval: int | None) -> int:
    grids = [self.steps_per_loop, *([eval_interval] if eval_interval else [])]
    return min(end, *(step - step % grid + grid for grid in grids))

  def _save(self) -> None:
    """Saves; a fault of the disk is one line, and older checkpoints stay."""
    step = int(self.global_step.numpy())
    good = self.checkpoint_manager.latest_checkpoint
    try:
      self._maybe_save_checkpoint(check_interval=False)
    except (tf.errors.OpError, OSError) as error:
      raise errors.UserError(
        f"--model_dir must have room for the checkpoint of step {step} and be "
        f"writable; the last good checkpoint is {good}. "
        f"Received: {errors.first_line(error)}"
      ) from error


class _StopRequest:
  """Whether SIGTERM came; its handler only notes that."""

  def __init__(self):
    self._event = threading.Event()
    self._old = None

  def is_set(self) -> bool:
    return self._event.is_set()

  def __enter__(self):
    # Python allows handlers in the main thread alone.
    if threading.current_thread() is threading.main_thread():
      self._old = signal.signal(signal.SIGTERM, lambda *_: self._event.set())
    return self

  def __exit__(self, *unused):
    if self._old is not None:
      signal.signal(signal.SIGTERM, self._old)
