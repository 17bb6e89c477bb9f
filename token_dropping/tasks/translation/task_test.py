# SPDX-License-Identifier: Apache-2.0
"""Tests of learning to translate: losses, importance, slices, metrics."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.nlp.tasks import translation as model_garden

from tests import pair_testing
from tests import testing
from tests import translation_testing
from token_dropping.data.batches.pair_data import SIDES
from token_dropping.dropping.importance import step_seed
from token_dropping.models.transformer import packed_pairs
from token_dropping.tasks import experiments
from token_dropping.tasks.translation import losses

ALL, HALF = {"token_keep_ratio": 1.0}, {"token_keep_ratio": 0.5}
LEARNT = {"importance": {"type": "next_token_loss"}, "token_loss_beta": 0.0}


def _model(task):
  """Returns its model, whose weights and choices are always the same."""
  model = task.build_model()
  rng = np.random.default_rng(2)
  for weight in model.weights:
    weight.assign(rng.normal(0, 0.3, weight.shape))
  step = tf.Variable(3, dtype=tf.int64)
  for stream, scorer in enumerate(task._scorers(model)):
    scorer.seeds = step_seed.StepSeed(step, seed=1, stream=stream)
  return model


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@testing.eagerly()
def test_the_loss_is_model_gardens(smoothing):
  """Its function makes targets of shape [B, T, V]; gradients are equal, too."""
  batch = translation_testing.make_batch()
  rng = np.random.default_rng(0)
  shape = [*batch["targets"].shape, testing.VOCAB_SIZE]
  logits = tf.Variable(rng.normal(0, 3, shape).astype("float32"))
  with tf.GradientTape() as tape:
    wanted, real = model_garden._padded_cross_entropy_loss(
      logits, batch["targets"], smoothing, testing.VOCAB_SIZE
    )
    wanted = tf.reduce_sum(wanted) / tf.reduce_sum(real)
  gradients = tape.gradient(wanted, logits)
  with tf.GradientTape() as tape:
    found = losses.token_losses(batch, {"logits": logits}, smoothing)
    found = losses.mean_losses(batch, found)[losses.SMOOTHED]
  np.testing.assert_allclose(found, wanted, rtol=1e-6)
  np.testing.assert_allclose(tape.gradient(found, logits), gradients, atol=1e-7)


@testing.eagerly()
def test_a_step_minimises_the_smoothed_loss_of_all_targets():
  task = translation_testing.make_task(network=ALL)
  model, batch = _model(task), translation_testing.make_batch()
  logits = model(batch)["logits"]
  wanted = model_garden._padded_cross_entropy_loss(
    logits, batch["targets"], 0.1, testing.VOCAB_SIZE
  )
  wanted = float(tf.reduce_sum(wanted[0]) / tf.reduce_sum(wanted[1]))
  logs, _, metrics = testing.train_step(task, model, batch)
  assert float(logs["loss"]) == pytest.approx(wanted, abs=1e-5)
  assert metrics["smoothed_loss"] == pytest.approx(wanted, abs=1e-5)
  wanted = np.log(metrics["perplexity"])
  assert metrics["token_loss"] == pytest.approx(wanted, abs=1e-5)
  assert metrics["kept_share"] == metrics["target_kept_share"] == 1
  real = [np.mean(batch[side] != 0) for side in ("inputs", "targets")]
  share = np.average(real, weights=[testing.SEQ_LENGTH, 12])
  assert metrics["padding_share"] == pytest.approx(1 - share)


@testing.eagerly()
def test_both_sides_drop_each_by_its_own_lot():
  """Alike but for it, they would choose the same places."""
  task = translation_testing.make_task(
    network=HALF | {"drop_layer": 1, "decoder_drop": HALF | {"drop_layer": 1}}
  )
  model = _model(task)
  ids = np.full([4, 11], 7)
  rows = [pair_testing.packed([(row, row)], 12, 12) for row in ids]
  batch = {
    name: tf.constant(np.array([row[name] for row in rows], np.int32))
    for name in rows[0]
  }
  outputs = model(batch, training=True)
  kept = outputs["kept_positions"].numpy()
  other = outputs["decoder"]["kept_positions"].numpy()
  assert kept.shape == other.shape == (4, 6) and (kept != other).any()
  _, _, metrics = testing.train_step(task, model, batch)
  assert metrics["kept_share"] == metrics["target_kept_share"] == 0.5


@testing.eagerly()
def test_slices_of_a_batch_train_as_the_whole():
  """So does importance, of both sides, which learns nothing else."""
  moved, tables = [], []
  network = ALL | translation_testing.IMPORTANCE
  network |= {"decoder_drop": ALL | LEARNT}
  for slices in (1, 2):
    changes = {"gradient_accumulation_steps": slices}
    task = translation_testing.make_task(changes, network)
    model = _model(task)
    batch = translation_testing.make_batch()
    moved.append(testing.train_step(task, model, batch)[1])
    tables.append([scorer.table.numpy() for scorer in task._scorers(model)])
  for one, other in (*zip(*moved, strict=True), *zip(*tables, strict=True)):
    np.testing.assert_allclose(one, other, atol=1e-5)


@testing.eagerly()
def test_importance_is_what_is_looked_at_and_what_was_hard_to_go_on_from():
  """Tables of beta 0 have the means of the batch."""
  network = ALL | translation_testing.IMPORTANCE | {"token_loss_beta": 0.0}
  task = translation_testing.make_task(
    network=network | {"decoder_drop": ALL | LEARNT}
  )
  model, batch = _model(task), translation_testing.make_batch()
  outputs = model(batch)
  received = outputs["decoder"]["received_attention"].numpy()
  found = losses.token_losses(batch, outputs, 0.1)[losses.LOSS].numpy()
  testing.train_step(task, model, batch)
  source, target = (scorer.table.numpy() for scorer in task._scorers(model))
  ids = batch["inputs"].numpy()
  for one in np.unique(ids[ids > 0]):
    wanted = received[ids == one].mean()
    assert source[one] == pytest.approx(wanted, abs=1e-5)
  read = packed_pairs.keys(
    batch["targets"], batch["targets_segmentation"]
  ).numpy()
  for one in np.unique(read[read > 0]):
    wanted = found[read == one].mean()
    assert target[one] == pytest.approx(wanted, abs=1e-5)


@testing.eagerly()
def test_evaluation_is_of_whole_sequences_beside_dropped_ones():
  network = HALF | {"drop_layer": 1, "decoder_drop": HALF | {"drop_layer": 1}}
  changes = {"dropped_validation": True}
  task = translation_testing.make_task(changes, network)
  model, batch = _model(task), translation_testing.make_batch()
  metrics = task.build_metrics(training=False)
  assert task.validation_step(batch, model, metrics) == {}
  found = {metric.name: float(metric.result()) for metric in metrics}
  for prefix, training in (("", False), ("dropped_", True)):
    outputs = model(batch, training=training)
    wanted = losses.mean_losses(batch, losses.token_losses(batch, outputs, 0.1))
    for name, value in wanted.items():
      assert found[prefix + name] == pytest.approx(float(value), abs=1e-5)
  assert found["dropped_token_loss"] != pytest.approx(found["token_loss"])


def test_training_begins_with_what_model_gardens_trainer_wrote(tmp_path):
  """It has the network as `model` alone, beside the optimizer's slots."""
  task = translation_testing.make_task()
  theirs = task.task_config.model.encoder.get().build_plain()
  translation_testing.make_random(theirs)
  optimizer = tf_keras.optimizers.legacy.Adam()
  weights = theirs.trainable_variables
  optimizer.apply_gradients(zip(weights, weights, strict=True))
  tf.train.Checkpoint(
    global_step=optimizer.iterations, model=theirs, optimizer=optimizer
  ).save(tmp_path / "ckpt")
  task.task_config.init_checkpoint = str(tmp_path)
  model = task.build_model()
  task.initialize(model)
  batch = {side: translation_testing.make_batch()[side] for side in SIDES}
  np.testing.assert_array_equal(model(batch), theirs(batch))
  other = translation_testing.make_task(network={"num_decoder_layers": 4})
  other.task_config.init_checkpoint = str(tmp_path)
  message = testing.refused(other.initialize, other.build_model())
  assert message.startswith("task.init_checkpoint must hold every weight of ")
  assert "' without model/decoder_layer/decoder_layers/" in message


def test_pieces_that_the_network_has_not_are_refused(tmp_path):
  translation_testing.write_texts(tmp_path)
  params = experiments.get(translation_testing.EXPERIMENT)
  params.override(testing.tiny(translation_testing.EXPERIMENT))
  data = params.task.validation_data
  data.input_path = str(tmp_path / "validation")
  hooks = experiments.hooks_of(params)
  hooks.check_beside(data)
  pieces = len(translation_testing.tokenizer())
  params.task.model.encoder.any.vocab_size = pieces
  hooks.check_beside(data)
  params.task.model.encoder.any.vocab_size = pieces - 1
  assert testing.refused(hooks.check_beside, data) == (
    "spiece.model beside task.validation_data must have at most "
    f"task.model.encoder.any.vocab_size pieces, {pieces - 1}. "
    f"Received: {pieces}"
  )
