# SPDX-License-Identifier: Apache-2.0
"""Tests of pretraining a causal language model."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import config_testing
from tests import gpt_testing
from tests import run_testing
from tests import testing
from token_dropping.data.batches import dataset_card
from token_dropping.dropping.importance import step_seed
from token_dropping.tasks.causal_lm import losses as causal_losses

PAIRS = 4 * (testing.SEQ_LENGTH - 2)  # of tokens, in a batch
ALL = {"model": {"encoder": {"any": {"token_keep_ratio": 1.0}}}}


def _step(task, model, batch) -> tuple[dict, list, dict]:
  model.encoder_network.importance_scorer.seeds = step_seed.StepSeed(
    tf.Variable(3), seed=1
  )
  return testing.train_step(task, model, batch)


def _losses(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
  """Returns the loss of each next token, [B, S - 1], by its definition."""
  shares = tf.nn.softmax(logits).numpy()[:, :-1]
  found = np.take_along_axis(shares, ids[:, 1:, np.newaxis], axis=-1)
  return -np.log(found[..., 0])


@testing.eagerly()
def test_loss_is_that_of_the_next_token_everywhere_but_at_padding():
  task, batch = gpt_testing.make_task(ALL), gpt_testing.make_batch()
  model = task.build_model()
  ids = batch["input_word_ids"].numpy()
  losses = _losses(model(batch)["logits"], ids) * (ids[:, 1:] > 0)
  logs, _, metrics = _step(task, model, batch)
  wanted = losses.sum() / PAIRS
  assert float(logs["loss"]) == pytest.approx(wanted, abs=1e-5)
  assert metrics["lm_example_loss"] == pytest.approx(wanted, abs=1e-5)
  assert metrics["perplexity"] == pytest.approx(math.exp(wanted), rel=1e-4)
  assert metrics["kept_share"] == 1


@testing.eagerly()
def test_dropped_tokens_have_a_loss_too():
  task, batch = gpt_testing.make_task(), gpt_testing.make_batch()
  model = task.build_model()
  logs, _, metrics = _step(task, model, batch)
  assert metrics["kept_share"] == pytest.approx(8 / 15)  # none is padding
  other = task.build_model()
  other.set_weights(model.get_weights())
  model(batch)
  assert float(logs["loss"]) == pytest.approx(metrics["lm_example_loss"])
  accuracy = metrics["next_token_accuracy"] * PAIRS
  assert accuracy == pytest.approx(round(accuracy), abs=1e-3)  # a count


@pytest.mark.parametrize("name", gpt_testing.NETWORKS)
@pytest.mark.parametrize("ratio", [0.25, 1.0])
@testing.eagerly()
def test_a_loss_at_some_positions_is_theirs_alone(ratio, name):
  """With its gradients; at all positions, it is the loss everywhere."""
  positions = {"loss_positions": {"type": "random", "ratio": ratio}}
  task = gpt_testing.make_task(ALL | positions, name)
  model, batch = task.build_model(), gpt_testing.make_batch()
  weights = model.get_weights()
  logs, gradients, _ = _step(task, model, batch)
  chosen = task._prepare(batch, model)
  places = chosen["loss_positions"].numpy()
  assert places.shape == (4, round(ratio * testing.SEQ_LENGTH))
  model.set_weights(weights)
  with tf.GradientTape() as tape:
    logits = tf.gather(model(batch)["logits"], places, batch_dims=1)
    losses = tf_keras.losses.sparse_categorical_crossentropy(
      chosen["next_ids"], logits, from_logits=True
    )
    there = chosen["next_weights"]
    loss = tf.reduce_sum(losses * there) / tf.reduce_sum(there)
  assert float(logs["loss"]) == pytest.approx(float(loss), abs=1e-5)
  wanted = tape.gradient(loss, model.trainable_variables)
  for one, other in zip(gradients, wanted, strict=True):
    np.testing.assert_allclose(one, tf.convert_to_tensor(other), atol=1e-5)
  if ratio == 1:
    assert tf.reduce_sum(there) == PAIRS
  else:  # enough others are real
    assert tf.reduce_all(there == 1)


@testing.eagerly()
def test_a_loss_where_tokens_stay_is_theirs_alone():
  """With its gradients: as if the others had no weight."""
  task = gpt_testing.make_task({"loss_positions": {"type": "kept"}})
  batch, (plan,) = gpt_testing.make_batch(), task._schedule.kinds[0].plans
  model = task.build_model()
  weights = model.get_weights()
  logs, gradients, _ = _step(task, model, batch)
  model.set_weights(weights)
  whole = dataclasses.replace(plan, reads_kept=False)
  with tf.GradientTape() as tape:
    outputs = model(batch, training=True, plan=whole)
    targets = causal_losses.with_targets(batch)
    losses = causal_losses.token_losses(targets, outputs)
    kept = outputs["kept_positions"]
    assert kept.shape == (4, testing.SEQ_LENGTH // 2)
    stayed = tf.reduce_max(tf.one_hot(kept, testing.SEQ_LENGTH), axis=1)
    loss = tf.reduce_sum(losses * targets["next_weights"] * stayed)
    loss /= PAIRS * 8 / 15  # of 15 tokens, 14 have a target, 8 stay
  assert float(logs["loss"]) == pytest.approx(float(loss), abs=1e-5)
  wanted = tape.gradient(loss, model.trainable_variables)
  for one, other in zip(gradients, wanted, strict=True):
    np.testing.assert_allclose(one, tf.convert_to_tensor(other), atol=1e-5)


@testing.eagerly()
def test_slices_of_a_batch_train_as_the_whole():
  positions = {"loss_positions": {"type": "random", "ratio": 0.25}}
  moved = []
  for slices in (1, 2):
    changes = ALL | positions | {"gradient_accumulation_steps": slices}
    task = gpt_testing.make_task(changes)
    tf_keras.utils.set_random_seed(1)
    model = task.build_model()
    moved.append(_step(task, model, gpt_testing.make_batch())[1])
  for one, other in zip(*moved, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5)


@testing.eagerly()
def test_evaluation_is_of_whole_sequences_beside_dropped_ones(monkeypatch):
  monkeypatch.setattr(dataset_card, "bytes_per_token", lambda data: 4.0)
  task = gpt_testing.make_task({"dropped_validation": True})
  model, batch = task.build_model(), gpt_testing.make_batch()
  for weight in model.weights:  # so that layers do something
    weight.assign(np.random.default_rng(1).normal(0, 0.5, weight.shape))
  metrics = task.build_metrics(training=False)
  assert task.validation_step(batch, model, metrics) == {}
  found = {metric.name: float(metric.result()) for metric in metrics}
  ids = batch["input_word_ids"].numpy()
  losses = _losses(model(batch)["logits"], ids) * (ids[:, 1:] > 0)
  wanted = losses.sum() / PAIRS
  assert found["lm_example_loss"] == pytest.approx(wanted, abs=1e-4)
  bits = wanted / math.log(2) / 4
  assert found["bits_per_byte"] == pytest.approx(bits, abs=1e-4)
  assert abs(found["dropped_lm_example_loss"] - wanted) > 1e-3


@testing.eagerly()
def test_importance_is_of_the_token_that_is_read_not_of_what_follows():
  """A table of beta 0 has the mean loss after each token of the batch."""
  importance = {"importance": {"type": "next_token_loss"}}
  encoder = {"any": importance | {"token_loss_beta": 0.0}}
  task = gpt_testing.make_task({"model": {"encoder": encoder}})
  model, batch = task.build_model(), gpt_testing.make_batch()
  scorer = model.encoder_network.importance_scorer
  losses = []
  update = scorer.update

  def spy(ids, token_losses, weights):
    losses.append(token_losses.numpy())
    update(ids, token_losses, weights)

  scorer.update = spy
  _step(task, model, batch)
  ids, table = batch["input_word_ids"].numpy(), scorer.table.numpy()
  one = ids[0, 3]
  followed = (ids[:, :-1] == one) & (ids[:, 1:] > 0)
  wanted = losses[0][:, :-1][followed].mean()
  assert table[one] == pytest.approx(wanted, abs=1e-5)
  never = np.setdiff1d(np.arange(2, testing.VOCAB_SIZE), ids)
  np.testing.assert_array_equal(table[never], 10.0)
  assert table[0] == 10.0  # padding learns nothing


def test_what_is_predicted_is_no_key_of_importance():
  """It would tell the label by what stays."""
  found = config_testing.refused_changes(
    {"task.model.encoder.any.importance.type": "mlm_loss"},
    gpt_testing.EXPERIMENT,
  )
  assert "importance.type must be one of next_token_loss, " in found


@pytest.mark.parametrize("name", gpt_testing.NETWORKS)
def test_a_checkpoint_of_another_network_is_one_line(tmp_path, name):
  (other,) = set(gpt_testing.NETWORKS) - {name}
  run_testing.make_causal_run(tmp_path / "run", b"", other, vocab_size=50)
  run = str(tmp_path / "run")
  task = gpt_testing.make_task({"init_checkpoint": run}, name)
  refused = testing.refused(task.initialize, task.build_model())
  rule = "task.init_checkpoint must hold every weight of the configured model"
  assert refused.startswith(f"{rule}. Received: '{run}/ckpt-7' without ")
