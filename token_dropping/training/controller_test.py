# SPDX-License-Identifier: Apache-2.0
"""Tests of the grid of loops, evaluations and checkpoints, and of stopping."""

import os
import signal
import threading
import time

import orbit
import pytest
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.training import controller

END = 13
LOOPS = 10_000_000  # more than a test waits for


def _send(stop: controller.StopRequest, number: int = signal.SIGTERM) -> None:
  """Sends a signal and waits until it is noted."""
  os.kill(os.getpid(), number)
  for _ in range(1000):
    if stop.flag:
      return
    time.sleep(0.01)
  pytest.fail(f"{number} was not noted")


class _Counter(orbit.AbstractTrainer, orbit.AbstractEvaluator):
  """Counts steps, one of them with a signal after it, and notes its calls."""

  def __init__(self, terminated_at: int | None = None, number=signal.SIGTERM):
    self.step = orbit.utils.create_global_step()
    self.stop = controller.StopRequest()
    self.loops, self.evaluations = [], []
    self._terminated_at, self._signal = terminated_at, number

  def train(self, num_steps):
    begin = int(self.step)
    for _ in range(int(num_steps)):
      self.step.assign_add(1)
      if int(self.step) == self._terminated_at:
        _send(self.stop, self._signal)
        break
    self.loops.append((begin, int(self.step)))
    return {"value": tf.cast(self.step, tf.float32)}

  def evaluate(self, num_steps):
    del num_steps
    self.evaluations.append(int(self.step))


def _make(folder, counter: _Counter) -> controller.Controller:
  manager = tf.train.CheckpointManager(
    tf.train.Checkpoint(step=counter.step),
    str(folder),
    max_to_keep=None,
    step_counter=counter.step,
    checkpoint_interval=5,
  )
  return controller.Controller(
    model_dir=str(folder),
    trainer=counter,
    evaluator=counter,
    global_step=counter.step,
    checkpoint_manager=manager,
    summary_dir=str(folder / "train"),
    eval_summary_dir=str(folder / "validation"),
    steps_per_loop=4,
    summary_interval=4,
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
  return sorted(
    event.step
    for path in (folder / "train").glob("events*")
    for event in tf.compat.v1.train.summary_iterator(str(path))
    for value in event.summary.value
    if value.tag == "value"
  )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """A folder of a run that was not stopped, and what it was asked for."""
  folder = tmp_path_factory.mktemp("whole")
  return folder, _run(folder)


def test_loops_evaluations_and_checkpoints(whole):
  folder, counter = whole
  assert counter.loops == [(0, 4), (4, 6), (6, 8), (8, 12), (12, 13)]
  assert counter.evaluations == [6, 12, 13]
  # At the end of the loops in which 5 and 10 lie, and of the run.
  assert _saved(folder) == [6, 12, 13]
  assert _summaries(folder) == [4, 6, 8, 12, 13]


def test_training_alone_saves_at_its_end(tmp_path):
  counter = _Counter()
  made = _make(tmp_path, counter)
  assert made.loop_start == 0
  made.train(6)
  assert counter.loops == [(0, 4), (4, 6)]
  assert counter.evaluations == []
  assert _saved(tmp_path) == [6]
  assert made.loop_start == 4


def test_new_checkpoints_are_evaluated_until_none_comes(whole):
  folder, counter = whole[0], _Counter()
  made = _make(folder, counter)
  made.evaluate_continuously(timeout=0)
  assert counter.evaluations == [END]
  counter.evaluations.clear()
  made.evaluate_continuously(timeout=None, timeout_fn=lambda: True)
  assert counter.evaluations == [END]


def test_without_an_interval_evaluation_comes_at_the_end(tmp_path):
  counter = _Counter()
  _make(tmp_path, counter).train_and_evaluate(6)
  assert counter.evaluations == [6]


@pytest.mark.parametrize("step", [1, 6, 7, 11])
def test_a_stopped_run_goes_on_as_if_it_was_not(whole, tmp_path, step):
  folder, first = whole
  stopped = _run(tmp_path, terminated_at=step)
  # An evaluation that is due comes before the stop.
  assert stopped.evaluations == [6] * (step >= 6)
  loops = stopped.loops
  assert loops[-1][1] == step == _saved(tmp_path)[-1]
  loops += _run(tmp_path).loops
  # One loop may have become two.
  ends, expected = {end for _, end in loops}, {end for _, end in first.loops}
  assert ends - {step} == expected - {step}
  assert set(_saved(tmp_path)) == {*_saved(folder), step}
  assert _summaries(tmp_path) == _summaries(folder)
  name = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
  one, two = (
    tf.train.load_variable(str(path / "ckpt-13"), name)
    for path in (folder, tmp_path)
  )
  assert one == two


def test_ctrl_c_stops_as_sigterm_does_and_a_second_one_at_once(
  tmp_path, capsys
):
  counter = _Counter(3, signal.SIGINT)
  with pytest.raises(
    errors.StoppedError, match="by SIGINT at step 3"
  ) as caught:
    _make(tmp_path, counter).train(END)
  assert caught.value.code == 130
  assert _saved(tmp_path) == [3]
  stop = controller.StopRequest()
  stop.working_on = "the work"
  with pytest.raises(KeyboardInterrupt), stop.watching():
    _send(stop, signal.SIGINT)
    _send(stop, signal.SIGTERM)  # of what started both: no second one
    _send(stop, signal.SIGINT)
  assert capsys.readouterr().err == (
    "SIGINT: stops after the work; a second Ctrl-C stops at once, and nothing "
    "more is saved\n"
  )


def test_sigterm_in_the_last_step_changes_nothing(tmp_path):
  assert _run(tmp_path, terminated_at=END).evaluations == [6, 12, 13]
  assert _saved(tmp_path)[-1] == END


# The request to stop.


def test_sigterm_is_noted_while_it_is_watched_for():
  handler, threads = signal.getsignal(signal.SIGTERM), threading.active_count()
  stop = controller.StopRequest()
  with stop.watching():
    assert not stop.flag
    assert signal.getsignal(signal.SIGTERM) is not handler
    _send(stop)
  assert stop.flag
  # What was there before is there again.
  assert signal.getsignal(signal.SIGTERM) is handler
  assert signal.set_wakeup_fd(-1) == -1
  assert threading.active_count() == threads


def test_a_running_loop_sees_it():
  stop = controller.StopRequest()

  @tf.function
  def loop() -> tf.Tensor:
    count = 0
    for _ in tf.range(LOOPS):
      count += 1
      if stop.flag:
        break
    return count

  timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
  with stop.watching():
    timer.start()
    assert 0 < int(loop()) < LOOPS
  timer.join()


def test_other_signals_are_not_meant():
  old = signal.signal(signal.SIGUSR1, lambda *_: None)
  stop = controller.StopRequest()
  try:
    with stop.watching():
      os.kill(os.getpid(), signal.SIGUSR1)
    # The listener has read all that was sent: it is joined.
    assert not stop.flag
  finally:
    signal.signal(signal.SIGUSR1, old)


def test_other_threads_watch_for_nothing():
  handlers = []

  def watch() -> None:
    with controller.StopRequest().watching():
      handlers.append(signal.getsignal(signal.SIGTERM))

  thread = threading.Thread(target=watch)
  thread.start()
  thread.join()
  assert handlers == [signal.getsignal(signal.SIGTERM)]
