# SPDX-License-Identifier: Apache-2.0
"""Orbit's training loop on a fixed grid of steps, and how a run is stopped."""

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import orbit
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.common import signals
from token_dropping.models import checkpoint_files
from token_dropping.training import workers

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
  """Whether SIGTERM or Ctrl-C's SIGINT came while they were watched for.

  `signal` is the first of them; SIGTERM where another worker got it. A second
  Ctrl-C is a `KeyboardInterrupt`: to finish and save may take too long.

  Python's handlers run in the main thread, to which TensorFlow does not come
  back before the end of a loop. So a thread of its own learns of the signal and
  sets a variable that the loop reads. To be made outside of a strategy's scope:
  the variable is one, on the host. What goes on to its end before the run can
  stop is said if `working_on` names it.
  """

  def __init__(self):
    with tf.device("CPU:0"):
      self._flag = tf.Variable(False, trainable=False, name="stop_requested")
    self.signal = signal.SIGTERM
    self.working_on = ""
    self._interrupted = False

  @property
  def flag(self) -> tf.Tensor:
    """Scalar bool, for a graph or out of one."""
    return self._flag.read_value()

  @contextlib.contextmanager
  def watching(self) -> Iterator[None]:
    """Watches, in the main thread: no other may have handlers."""
    if threading.current_thread() is not threading.main_thread():
      yield
      return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    thread = threading.Thread(target=self._listen, args=(reader,), daemon=True)
    # Without a handler of Python's a signal would not come to the socket.
    with signals.handling(dict.fromkeys(_SIGNALS, self._on_signal)):
      before = signal.set_wakeup_fd(writer.fileno())
      thread.start()
      try:
        yield
      finally:
        signal.set_wakeup_fd(before)
        writer.close()
        thread.join()
        reader.close()

  def _on_signal(self, number: int, frame) -> None:
    del frame
    if number == signal.SIGINT and self._interrupted:
      raise KeyboardInterrupt
    self._interrupted |= number == signal.SIGINT

  def _listen(self, reader: socket.socket) -> None:
    while number := reader.recv(1):
      if number[0] in _SIGNALS and not self._flag:
        self.signal = signal.Signals(number[0])
        self._flag.assign(True)
        if self.working_on:
          print(
            f"{self.signal.name}: stops after {self.working_on}; a second "
            "Ctrl-C stops at once, and nothing more is saved",
            file=sys.stderr,
          )


def wait_for_checkpoint(model_dir: str, timeout: float) -> None:
  """Waits for the first checkpoint of a run, and says so.

  Raises `UserError` if none came in `timeout` seconds.
  """
  if checkpoint_files.latest(model_dir) is not None:
    return
  what = f"{model_dir!r}, {checkpoint_files.describe_folder(model_dir)}"
  print(
    f"waiting for the first checkpoint in {what}, at most {timeout} s "
    "(trainer.continuous_eval_timeout)",
    flush=True,
  )
  checkpoints = tf.train.checkpoints_iterator(model_dir, timeout=timeout)
  errors.require(
    next(checkpoints, None) is not None,
    "--model_dir must get a checkpoint within "
    f"trainer.continuous_eval_timeout={timeout} s",
    what,
  )


class Controller(orbit.Controller):
  """Trains, evaluates and saves at steps that do not depend on the start.

  Orbit counts from the step at which a process starts. Here a loop ends at
  multiples of `steps_per_loop` and of the evaluation interval, and a checkpoint
  is due when a multiple of its interval is passed, so that a run that goes on
  does what it would have done. An evaluation comes before the checkpoint of its
  step: what a checkpoint stands for is complete. SIGTERM or SIGINT ends a loop
  early. Its step is saved with the metrics so far, which the next start goes on
  with, so the summary of that loop is written once.

  `model_dir` has the checkpoint to go on from; the checkpoint manager of a
  worker that is not the chief has another folder. `loop_start` is the step
  before which the last loop began.
  """

  loop_start = 0

  def __init__(self, *, model_dir: str, **kwargs):
    self._model_dir = model_dir
    super().__init__(**kwargs)

  def restore_checkpoint(self, checkpoint_path: str | None = None):
    """Restores a checkpoint, by default the run's latest, or initializes."""
    latest = checkpoint_files.latest(self._model_dir)
    return super().restore_checkpoint(checkpoint_path or latest)

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

  def evaluate_continuously(
    self, steps: int = -1, timeout: float | None = None, timeout_fn=None
  ):
    """Evaluates each new checkpoint, until `timeout_fn` says it was the last.

    It also ends after `timeout` seconds without a new one; `None`: never.
    """
    output = None
    for path in tf.train.checkpoints_iterator(self._model_dir, timeout=timeout):
      self.restore_checkpoint(path)
      output = self.evaluate(steps)
      if timeout_fn is not None and timeout_fn():
        break
    return output

  def _save_end(self) -> None:
    """Saves, but not where nothing was trained: not all is restored then."""
    if self.loop_start < self._step:
      self._save()

  @property
  def _step(self) -> int:
    return int(self.global_step.numpy())

  def _run(self, end: int, eval_interval: int | None, eval_steps: int | None):
    output = None
    step = self.loop_start = self._step
    stop = self.trainer.stop
    with stop.watching():
      while step < end:
        self.loop_start = step
        begin, loop_end = self._loop_around(step, end, eval_interval)
        self._train_n_steps(loop_end - step)
        step = self._step
        if eval_interval and (step % eval_interval == 0 or step == end):
          stop.working_on = f"the evaluation of step {step}"
          output = self.evaluate(steps=eval_steps)
          stop.working_on = ""
        stopped = workers.any_of(self.strategy, bool(stop.flag))
        interval = self.checkpoint_manager.checkpoint_interval
        if stopped or step // interval > begin // interval:
          self._save()
        if stopped and step < end:
          raise errors.StoppedError(
            f"stopped by {stop.signal.name} at step {step}, which is saved; "
            "the same command goes on",
            errors.signal_code(stop.signal),
          )
    return output

  def _loop_around(self, step: int, end: int, eval_interval: int | None):
    grids = (self.steps_per_loop, eval_interval or self.steps_per_loop)
    begin = max(step - step % grid for grid in grids)
    return begin, min(end, *(step - step % grid + grid for grid in grids))

  def _train_n_steps(self, num_steps: int) -> None:
    """Trains so many steps; writes the summary unless the loop was cut."""
    self.step_timer = self.step_timer or orbit.controller.StepTimer(
      self.global_step
    )
    end = self._step + num_steps
    with (
      self.summary_manager.summary_writer().as_default(),
      tf.summary.record_if(self._summary_is_due),
    ):
      output = self.trainer.train(tf.constant(num_steps))
    for action in self.train_actions:
      action(output)
    if self._step < end:
      return
    output = tf.nest.map_structure(orbit.utils.get_value, output)
    output["steps_per_second"] = self.step_timer.steps_per_second()
    self.summary_manager.write_summaries(output)
    self.summary_manager.flush()

  def _summary_is_due(self) -> tf.Tensor:
    return self.global_step % (self.summary_interval or 1) == 0

  def _save(self) -> None:
    # Counting would count the stops.
    self.checkpoint_manager.checkpoint.save_counter.assign(self._step - 1)
    self._maybe_save_checkpoint(check_interval=False)
