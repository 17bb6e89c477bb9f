# SPDX-License-Identifier: Apache-2.0
"""Evaluation with dropping, beside that of whole sequences."""

import numpy as np
import pytest
import tensorflow as tf

from token_dropping import masked_lm
from token_dropping import replica_testing

NAMES = ("lm_example_loss", "masked_lm_accuracy")


def _evaluate(weights=None, encoder=None, **task) -> tuple[dict, list]:
  """Returns the metrics of two batches, and the weights."""
  rates = {"dropout_rate": 0.5, "attention_dropout_rate": 0.5}
  changes = {"model": {"encoder": {"any": rates | (encoder or {})}}} | task
  params = replica_testing.make_params({"task": changes})
  made = masked_lm.TokenDropMaskedLMTask(params.task)
  model = made.build_model()
  if weights:
    model.set_weights(weights)
  metrics = made.build_metrics(training=False)
  records = replica_testing.make_records(12, padding_every=4)

  @tf.function
  def step(batch):
    made.validation_step(batch, model, metrics)

  for rows in (slice(0, 8), slice(8, 12)):
    step({name: tf.constant(array[rows]) for name, array in records.items()})
  scores = {metric.name: float(metric.result()) for metric in metrics}
  return scores, model.get_weights()


@pytest.fixture(scope="module")
def both():
  """Metrics of an evaluation of both kinds, and the weights."""
  return _evaluate(dropped_validation=True)


def test_dropped_pass_is_that_of_an_encoder_that_always_drops(both):
  scores, weights = both
  dropped, _ = _evaluate(weights, encoder={"drop_at_inference": True})
  for name in NAMES:
    np.testing.assert_allclose(
      scores[f"dropped_{name}"], dropped[name], rtol=1e-6
    )
  assert scores["dropped_lm_example_loss"] != scores["lm_example_loss"]


def test_whole_sequences_are_evaluated_as_without_it(both):
  scores, weights = both
  whole, _ = _evaluate(weights)
  assert not any(name.startswith("dropped") for name in whole)
  for name, value in whole.items():
    np.testing.assert_allclose(scores[name], value, rtol=1e-6)


def test_training_has_no_such_metrics():
  task = {"dropped_validation": True}
  params = replica_testing.make_params({"task": task})
  made = masked_lm.TokenDropMaskedLMTask(params.task)
  names = [metric.name for metric in made.build_metrics(training=True)]
  assert not any(name.startswith("dropped") for name in names)
