# SPDX-License-Identifier: Apache-2.0
"""Orbit's training loop on a fixed grid of steps, and how a run is stopped."""

import orbit
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.training import workers

# 128 + 15, what a shell shows for a process that SIGTERM ended.
TERMINATED = 143


class Controller(orbit.Controller):
  """Trains, evaluates and saves at steps that do not depend on the start.

  Orbit counts from the step at which a process starts. Here a loop ends at
  multiples of `steps_per_loop` and of the evaluation interval, and a checkpoint
  is due when a multiple of its interval is passed, so that a run that goes on
  does what it would have done. An evaluation comes before the checkpoint of its
  step: what a checkpoint stands for is complete. SIGTERM ends a loop early. Its
  step is saved with the metrics so far, which the next start goes on with, so
  the summary of that loop is written once.

  `model_dir` has the checkpoint to go on from; the checkpoint manager of a
  worker that is not the chief has another folder.
  """

  _loop_start = 0

  def __init__(self, *, model_dir: str, **kwargs):
    self._model_dir = model_dir
    super().__init__(**kwargs)

  def restore_checkpoint(self, checkpoint_path: str | None = None):
    """Restores a checkpoint, by default the run's latest, or initializes."""
    latest = tf.train.latest_checkpoint(self._model_dir)
    return super().restore_checkpoint(checkpoint_path or latest)

  @property
  def loop_start(self) -> int:
    """The step before which the last loop began."""
    return self._loop_start

  def train(self, steps: int, checkpoint_at_completion: bool = True) -> None:
    self._run(steps, None, None)
    if checkpoint_at_completion:
      self._save_end()

  def train_and_evaluate(
    self, train_steps: int, eval_steps: int = -1, eval_interval: int = 0
  ):
    """Trains to a step, evaluates at multiples of `eval_interval` and there."""
    output = self._run(train_steps, eval_interval or train_steps, eval_steps)
    self._save_end()
    return output

  def _save_end(self) -> None:
    """Saves, but not where nothing was trained: not all is restored then."""
    if self._loop_start < int(self.global_step.numpy()):
      self._save()

  def _run(self, end: int, eval_interval: int | None, eval_steps: int | None):
    output = None
    step = self._loop_start = int(self.global_step.numpy())
    stop = self.trainer.stop
    with stop.watching():
      while step < end:
        self._loop_start = step
        begin, loop_end = self._loop_around(step, end, eval_interval)
        self._train_n_steps(loop_end - step)
        step = int(self.global_step.numpy())
        if eval_interval and (step % eval_interval == 0 or step == end):
          output = self.evaluate(steps=eval_steps)
        stopped = workers.any_of(self.strategy, bool(stop.flag))
        interval = self.checkpoint_manager.checkpoint_interval
        if stopped or step // interval > begin // interval:
          self._save()
        if stopped and step < end:
          raise errors.StoppedError(
            f"stopped by SIGTERM at step {step}, which is saved; the same "
            "command goes on",
            TERMINATED,
          )
    return output

  def _loop_around(self, step: int, end: int, eval_interval: int | None):
    grids = [self.steps_per_loop, *([eval_interval] if eval_interval else [])]
    begins = [step - step % grid for grid in grids]
    ends = [begin + grid for begin, grid in zip(begins, grids, strict=True)]
    return max(begins), min(end, *ends)

  def _train_n_steps(self, num_steps: int) -> None:
    """Trains so many steps; writes the summary unless the loop was cut."""
    self.step_timer = self.step_timer or orbit.controller.StepTimer(
      self.global_step
    )
    end = int(self.global_step.numpy()) + num_steps
    with (
      self.summary_manager.summary_writer().as_default(),
      tf.summary.record_if(self._summary_is_due),
    ):
      output = self.trainer.train(tf.constant(num_steps))
    for action in self.train_actions:
      action(output)
    if int(self.global_step.numpy()) < end:
      return
    output = tf.nest.map_structure(orbit.utils.get_value, output)
    output["steps_per_second"] = self.step_timer.steps_per_second()
    self.summary_manager.write_summaries(output)
    self.summary_manager.flush()

  def _summary_is_due(self) -> tf.Tensor:
    return self.global_step % (self.summary_interval or 1) == 0

  def _save(self) -> None:
    step = int(self.global_step.numpy())
    # Counting would count the stops.
    self.checkpoint_manager.checkpoint.save_counter.assign(step - 1)
    self._maybe_save_checkpoint(check_interval=False)
