# SPDX-License-Identifier: Apache-2.0
"""Several steps a call train as one step a call does, to the bit."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tests import fault_testing
from tests import replica_testing
from tests import testing
from token_dropping.training import step_calls
from token_dropping.training import trainer as trainer_lib

BATCH, STEPS = 4, 9
BAD = 5  # the step, counted from 1, that has a record of NaN losses


def test_stacked_batches_are_those_of_the_steps():
  @tf.function
  def take(count):
    numbers = iter(tf.data.Dataset.range(9).map(lambda n: {"n": [n], "m": -n}))
    return step_calls.take(lambda: next(numbers), count, size=4)

  found = take(tf.constant(3))
  assert found["n"].numpy().tolist() == [[0], [1], [2], [0]]
  assert found["m"].numpy().tolist() == [0, -1, -2, 0]


def test_as_many_batches_are_taken_as_steps_are_made():
  numbers = iter(tf.data.Dataset.range(5))
  seen = tf.Variable(tf.zeros([4], tf.int64))

  def step(number):
    seen.scatter_nd_add([[number]], [number + 1])

  @tf.function
  def call(count):
    batches = step_calls.take(lambda: next(numbers), count, size=4)
    step_calls.run(step, batches, count)

  call(tf.constant(1))
  call(tf.constant(3))
  assert seen.numpy().tolist() == [1, 2, 3, 4]
  assert int(next(numbers)) == 4


# In training.


class _Training:
  """A trainer with its first checkpoint: it can train again and again.

  It has dropout, two kinds of steps, slices, importance that learns, and a bad
  step, which it skips.
  """

  def __init__(self, folder, runtime=None, on_bad_numbers="skip", **trainer):
    task = {
      "on_bad_numbers": on_bad_numbers,
      "keep_schedule": {"full_interval": 3},
      "gradient_accumulation_steps": 2,
      "model": {"encoder": {"any": {"num_layers": 2, "dropout_rate": 0.1}}},
      "train_data": {"global_batch_size": BATCH},
    }
    runtime = {"enable_xla": True} | (runtime or {})
    changes = {"runtime": runtime, "task": task, "trainer": trainer}
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    records = replica_testing.make_records(STEPS * BATCH)
    records["masked_lm_weights"][BAD * BATCH - 1] = np.nan
    self.trainer = trainer_lib.make_trainer(
      replica_testing.make_params(changes),
      strategy,
      "train",
      None,
      train_dataset=replica_testing.distribute(strategy, records, BATCH),
    )
    self._folder = folder
    self._first = self._save("first")

  def _save(self, name: str) -> str:
    return self.trainer.checkpoint.write(str(self._folder / name))

  def train(self, steps_per_call: int, stop: bool = False) -> tuple:
    """Trains loops of 7 and of 2 steps; returns variables and outputs.

    To `stop`, the first loop ends after a call; then it goes on.
    """
    trainer = self.trainer
    trainer.checkpoint.read(self._first).assert_consumed()
    trainer.guard._first_bad.assign(-1)
    trainer._train_iter = None
    outputs = []
    for end in (7, STEPS):
      while (step := int(trainer.global_step)) < end:  # once, or twice
        trainer._steps_per_call = self._ask(steps_per_call, stop)
        output = trainer.train(tf.constant(end - step))
        if stop:
          assert int(trainer.global_step) == step + steps_per_call
          trainer.checkpoint.read(self._save("cut")).assert_consumed()
        stop = False
        trainer.stop._flag.assign(stop)
      outputs.append(tf.nest.map_structure(float, output))
    return fault_testing.variables(self._save("last")), outputs

  def _ask(self, steps_per_call: int, stop: bool) -> Callable[[], int]:
    """Asked for as a loop begins, the number may also request a stop."""

    def ask() -> int:
      self.trainer.stop._flag.assign(stop)
      return steps_per_call

    return ask


@pytest.fixture(scope="module")
def training(tmp_path_factory):
  return _Training(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def single(training):
  """What is trained in calls of one step each."""
  return training.train(1)


def _assert_same(found: tuple, expected: tuple) -> None:
  fault_testing.assert_same(found[0], expected[0])
  assert found[1] == expected[1]


@pytest.mark.parametrize("steps", [3, 8])
def test_steps_do_not_depend_on_the_calls(training, single, steps):
  _assert_same(training.train(steps), single)


def test_a_loop_ends_after_the_call_in_which_it_is_stopped(training, single):
  _assert_same(training.train(3, stop=True), single)


def test_a_bad_step_amid_a_call_is_the_one_that_is_named(training):
  training.train(8)
  guard = training.trainer.guard
  assert [int(guard.bad_steps), int(guard._first_bad)] == [1, BAD]


def test_a_run_chooses_by_the_time_of_its_last_loop(training):
  training.trainer.clock.step_seconds = 0.2
  assert trainer_lib.Trainer._steps_per_call(training.trainer) == 5


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 8])
def test_programs_for_other_numbers_of_steps_train_alike(
  single, tmp_path, steps
):
  other = _Training(tmp_path, steps_per_call=steps)
  assert other.trainer._steps_per_call() == steps
  _assert_same(other.train(steps), single)


@pytest.mark.slow
def test_a_moving_average_does_not_depend_on_the_calls(tmp_path):
  optimizer = {"ema": {"average_decay": 0.9}}
  averaged = _Training(tmp_path, optimizer_config=optimizer)
  _assert_same(averaged.train(8), averaged.train(1))


@pytest.mark.slow
def test_a_scaled_loss_does_not_depend_on_the_calls(tmp_path):
  with replica_testing.precision("float16") as runtime:
    scaled = _Training(tmp_path, runtime=runtime)
    _assert_same(scaled.train(8), scaled.train(1))


@pytest.mark.slow
def test_a_bad_step_amid_a_call_stops_the_run(tmp_path):
  stopped = _Training(tmp_path, on_bad_numbers="stop")
  stopped.train(8)
  message = testing.refused(stopped.trainer.guard.look, lambda: "none")
  assert f"they were not at step {BAD}." in message
