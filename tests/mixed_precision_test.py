# SPDX-License-Identifier: Apache-2.0
"""bfloat16 and float16 train as float32 does, within their rounding."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import replica_testing
from tests import testing

# In nats. A score moves by 0.005 of a loss of about 4 in each step.
LOSS_TOLERANCE, SCORE_TOLERANCE, KEPT = 1e-3, 1e-4, 0.99
STEPS = 20


def _train(name: str):
  """Returns a run with this type, and the losses of its steps."""
  with replica_testing.precision(name) as runtime:
    run = replica_testing.Run(testing.mirrored(1), {"runtime": runtime})
    records = replica_testing.make_records(STEPS * replica_testing.BATCH)
    return run, run.train(records)


@pytest.fixture(scope="module")
def exact():
  """The run in float32 and its losses."""
  return _train("float32")


@pytest.fixture(
  scope="module",
  params=["bfloat16", pytest.param("float16", marks=pytest.mark.slow)],
)
def mixed(request):
  """A type, a run in it and its losses."""
  return request.param, *_train(request.param)


def _kept(run) -> np.ndarray:
  batch = replica_testing.make_batch(8)
  return run.model(batch, training=True)["kept_positions"].numpy()


def test_training_agrees_with_float32(exact, mixed):
  run, losses = exact
  _, other, found = mixed
  np.testing.assert_allclose(found, losses, atol=LOSS_TOLERANCE)
  tables = other.tables()[0], run.tables()[0]
  np.testing.assert_allclose(*tables, rtol=0, atol=SCORE_TOLERANCE)
  assert np.mean(_kept(other) == _kept(run)) > KEPT


def test_what_is_computed_in_the_type_and_what_is_not(mixed):
  name, run, _ = mixed
  encoder = run.model.encoder_network
  assert encoder.importance_scorer.table.dtype == tf.float32
  assert {weight.dtype for weight in run.model.weights} == {tf.float32}
  assert encoder.transformer_layers[1].compute_dtype == name
  scaling = tf_keras.mixed_precision.LossScaleOptimizer
  assert isinstance(run.optimizer, scaling) == (name == "float16")
