# SPDX-License-Identifier: Apache-2.0
"""Tests of the guard against NaN and Inf, on one replica and on several."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import replica_testing
from tests import testing
from token_dropping.training import number_guard
from token_dropping.training import trainer as trainer_lib

BATCH = replica_testing.BATCH
BAD = 3  # the step whose batch has one bad record


def _look(guard) -> None:
  guard.look(lambda: "run/ckpt-2")


def _message(guard) -> str:
  """Returns the one line with which a run is stopped."""
  return testing.refused(_look, guard)


# A guard alone.


@pytest.fixture
def guard():
  """A guard of one weight, that stops."""
  model = tf_keras.Sequential([tf_keras.layers.Dense(1, use_bias=False)])
  model.build([1, 1])
  optimizer = tf_keras.optimizers.legacy.SGD(0.1)
  step = tf.Variable(6, dtype=tf.int64)
  return number_guard.NumberGuard(model, optimizer, [], step)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_loss_and_gradients_are_watched(guard, bad, place):
  values = [1.0, 2.0]
  guard.watch(values, guard.remember())
  _look(guard)
  values[place] = bad
  guard.watch(values, guard.remember())
  assert _message(guard) == (
    "task.on_bad_numbers=stop: loss and gradients must be finite; they were "
    "not at step 7. The last good checkpoint is run/ckpt-2. Received: 1 such "
    "steps of this loop"
  )


def test_weights_are_looked_at(guard):
  guard._model.weights[0].assign([[np.inf]])
  assert _message(guard) == (
    f"{guard._model.weights[0].name} must be finite. The last good checkpoint "
    "is run/ckpt-2. Received: NaN or Inf at step 6"
  )


# In training.


def _make(replicas: int, **task):
  """Returns a trainer whose third batch has a record of NaN losses."""
  params = replica_testing.make_params({"task": task})
  strategy = testing.mirrored(replicas)
  records = replica_testing.make_records(5 * BATCH)
  # The last of the batch: those of the first replica stay good.
  records["masked_lm_weights"][BAD * BATCH - 1] = np.nan
  batches = replica_testing.distribute(strategy, records)
  return trainer_lib.make_trainer(
    params, strategy, "train", None, train_dataset=batches
  )


def _copies(trainer) -> list[list[np.ndarray]]:
  """Returns weights, importance and optimizer of each replica."""
  local = trainer.strategy.experimental_local_results
  importance = trainer.model.encoder_network.importance_scorer.variables
  variables = [*trainer.model.variables, *importance, *trainer.guard._slots()]
  values = [[copy.numpy() for copy in local(v)] for v in variables]
  return [list(copy) for copy in zip(*values, strict=True)]


def _equal(some: list, others: list) -> list[bool]:
  return [np.array_equal(a, b) for a, b in zip(some, others, strict=True)]


@pytest.mark.parametrize(
  ("replicas", "kind"),
  [pytest.param(1, "frequency", marks=pytest.mark.slow), (2, "mlm_loss")],
)
def test_a_skipped_step_changes_no_replica(replicas, kind):
  encoder = {"any": {"importance": {"type": kind}}}
  skip = {"on_bad_numbers": "skip", "max_skipped_steps": 0}
  trainer = _make(replicas, **skip, model={"encoder": encoder})
  trainer.train(tf.constant(BAD - 1))
  before = _copies(trainer)
  assert len(before) == replicas
  _look(trainer.guard)
  trainer.train(tf.constant(1))
  for now, old in zip(_copies(trainer), before, strict=True):
    assert all(_equal(now, old))
  assert _message(trainer.guard) == (
    "task.max_skipped_steps must be at least the steps whose loss or "
    "gradients were not finite (1 in this run, the first of this process at "
    "step 3); the last good checkpoint is run/ckpt-2. "
    "Received: 0"
  )
  trainer.train(tf.constant(2))
  after = _copies(trainer)
  assert all(all(_equal(copy, after[0])) for copy in after)
  same = _equal(after[0], before[0])
  assert sum(same) < len(same) // 3  # all but the pooler's go on
  assert all(np.isfinite(value).all() for value in after[0])
  assert int(trainer.guard.bad_steps.numpy()) == 1
  steps = trainer.optimizer.iterations, trainer.global_step
  assert [step.numpy() for step in steps] == [5, 5]
