# SPDX-License-Identifier: Apache-2.0
"""Tests of the losses of pretraining by hand, and of those with dropping."""

import numpy as np
import pytest
import tensorflow as tf

from tests import replica_testing
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.tasks.masked_lm import task as masked_lm

LABELS = {
  "input_mask": tf.ones([2, 4], tf.int32),
  "masked_lm_weights": tf.constant([[1.0, 0.0], [1.0, 1.0]]),
  "next_sentence_labels": tf.constant([[0], [1]]),
}
TOKEN_LOSSES = tf.constant([[3.0, 99.0], [1.0, 2.0]])


def test_losses_are_means_over_labels():
  outputs = {"next_sentence": tf.zeros([2, 2])}
  parts = mlm_losses.mean_losses(LABELS, outputs, TOKEN_LOSSES)
  np.testing.assert_allclose(parts["lm_example_loss"], 2.0)
  np.testing.assert_allclose(parts["next_sentence_loss"], np.log(2), rtol=1e-6)


def test_a_record_without_tokens_has_no_sentence():
  labels = LABELS | {"input_mask": tf.constant([[1, 0, 0, 0], [0, 0, 0, 0]])}
  outputs = {"next_sentence": tf.constant([[0.0, 0.0], [9.0, 0.0]])}
  counts = mlm_losses.loss_counts(labels)
  assert float(counts["next_sentence_loss"]) == 1
  parts = mlm_losses.mean_losses(labels, outputs, TOKEN_LOSSES)
  np.testing.assert_allclose(parts["next_sentence_loss"], np.log(2), rtol=1e-6)


# Evaluation with dropping, beside that of whole sequences.


def _task(encoder=None, **task) -> masked_lm.TokenDropMaskedLMTask:
  rates = {"dropout_rate": 0.5, "attention_dropout_rate": 0.5}
  # Small weights would make the two losses as good as equal.
  encoder = rates | {"initializer_range": 0.5} | (encoder or {})
  changes = {"model": {"encoder": {"any": encoder}}} | task
  params = replica_testing.make_params({"task": changes})
  return masked_lm.TokenDropMaskedLMTask(params.task)


def _batch(rows: slice = slice(0, 12)) -> dict:
  records = replica_testing.make_records(12, padding_every=4)
  return {name: tf.constant(array[rows]) for name, array in records.items()}


def _evaluate(task, model) -> dict[str, float]:
  """Returns the metrics of two batches."""
  metrics = task.build_metrics(training=False)
  for rows in (slice(0, 8), slice(8, 12)):
    task.validation_step(_batch(rows), model, metrics)
  return {metric.name: float(metric.result()) for metric in metrics}


@pytest.fixture(scope="module")
def both():
  """Metrics of an evaluation of both kinds, and the model."""
  task = _task(dropped_validation=True)
  model = task.build_model()
  return _evaluate(task, model), model


def test_dropped_pass_is_that_of_training_without_dropout(both):
  scores, model = both
  fields = {"drop_at_inference": True}
  fields |= {"dropout_rate": 0.0, "attention_dropout_rate": 0.0}
  task = _task(fields)
  dropping = task.build_model()
  dropping.set_weights(model.get_weights())
  batch = _batch()
  outputs = dropping(batch, training=True)
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
  # Likewise where every evaluation drops.
  for name, value in _evaluate(task, dropping).items():
    np.testing.assert_allclose(scores[f"dropped_{name}"], value, rtol=1e-6)


def test_whole_sequences_are_evaluated_as_without_it(both):
  scores, model = both
  whole = _evaluate(_task(), model)
  names = {name for name in scores if not name.startswith("dropped")}
  assert whole == pytest.approx({name: scores[name] for name in names}, 1e-6)


def test_training_has_no_such_metrics():
  metrics = _task(dropped_validation=True).build_metrics(training=True)
  assert not any(metric.name.startswith("dropped") for metric in metrics)
