# SPDX-License-Identifier: Apache-2.0
"""Evaluation with dropping, beside that of whole sequences."""

import numpy as np
import pytest
import tensorflow as tf

from tests import replica_testing
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.tasks.masked_lm import task as masked_lm


def _task(dropout: float = 0.5, **task) -> masked_lm.TokenDropMaskedLMTask:
  rates = {"dropout_rate": dropout, "attention_dropout_rate": dropout}
  # Small weights would make the two losses as good as equal.
  encoder = rates | {"initializer_range": 0.5}
  changes = {"model": {"encoder": {"any": encoder}}} | task
  params = replica_testing.make_params({"task": changes})
  return masked_lm.TokenDropMaskedLMTask(params.task)


def _batch(rows: slice) -> dict:
  records = replica_testing.make_records(12, padding_every=4)
  return {name: tf.constant(array[rows]) for name, array in records.items()}


def _evaluate(task, model) -> dict[str, float]:
  """Returns the metrics of two batches."""
  metrics = task.build_metrics(training=False)

  @tf.function
  def step(batch):
    task.validation_step(batch, model, metrics)

  for rows in (slice(0, 8), slice(8, 12)):
    step(_batch(rows))
  return {metric.name: float(metric.result()) for metric in metrics}


@pytest.fixture(scope="module")
def both():
  """Metrics of an evaluation of both kinds, and the weights."""
  task = _task(dropped_validation=True)
  model = task.build_model()
  return _evaluate(task, model), model.get_weights()


def test_dropped_pass_is_that_of_training_without_dropout(both):
  scores, weights = both
  model = _task(dropout=0.0).build_model()
  model.set_weights(weights)
  batch = _batch(slice(0, 12))
  outputs = model(batch, training=True)
  losses = mlm_losses.masked_lm_losses(batch, outputs)
  right = tf.argmax(outputs["mlm_logits"], -1, tf.int32)
  right = right == batch["masked_lm_ids"]
  for name, values in (
    ("dropped_lm_example_loss", losses),
    ("dropped_masked_lm_accuracy", right),
  ):
    expected = np.average(values, weights=batch["masked_lm_weights"])
    np.testing.assert_allclose(scores[name], expected, rtol=1e-5)
  whole = scores["lm_example_loss"]
  assert abs(scores["dropped_lm_example_loss"] - whole) > 0.01


def test_whole_sequences_are_evaluated_as_without_it(both):
  scores, weights = both
  task = _task()
  model = task.build_model()
  model.set_weights(weights)
  whole = _evaluate(task, model)
  assert not any(name.startswith("dropped") for name in whole)
  for name, value in whole.items():
    np.testing.assert_allclose(scores[name], value, rtol=1e-6)


def test_dropping_in_every_evaluation_gives_the_same_numbers(both):
  scores, weights = both
  everywhere = {"model": {"encoder": {"any": {"drop_at_inference": True}}}}
  params = _task().task_config.replace(**everywhere)
  task = masked_lm.TokenDropMaskedLMTask(params)
  model = task.build_model()
  model.set_weights(weights)
  for name, value in _evaluate(task, model).items():
    np.testing.assert_allclose(scores[f"dropped_{name}"], value, rtol=1e-6)


def test_training_has_no_such_metrics():
  metrics = _task(dropped_validation=True).build_metrics(training=True)
  assert not any(metric.name.startswith("dropped") for metric in metrics)
