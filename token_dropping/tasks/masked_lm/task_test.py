# SPDX-License-Identifier: Apache-2.0
"""Tests of the pretraining task."""

import re

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.nlp.configs import bert
from official.nlp.tasks import masked_lm as model_garden

from tests import replica_testing
from tests import run_testing
from tests import testing
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.tasks.masked_lm import task as masked_lm

HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}


def _task(schedule=None, **model) -> masked_lm.TokenDropMaskedLMTask:
  changes = {"model": model, "keep_schedule": schedule or {}}
  params = replica_testing.make_params({"task": changes})
  return masked_lm.TokenDropMaskedLMTask(params.task)


def _batch(rows: slice = slice(4), next_sentence: bool = False) -> dict:
  records = replica_testing.make_records(10)
  if next_sentence:
    records["next_sentence_labels"] = np.arange(10, dtype=np.int32)[:, None] % 2
  return {name: tf.constant(array[rows]) for name, array in records.items()}


def _sgd():
  optimizer = tf_keras.optimizers.legacy.SGD(0.5)
  optimizer.iterations.assign(0)  # makes it, or a step is traced twice
  return optimizer


def _build(task):
  tf_keras.utils.set_random_seed(1)
  return task.build_model()


@pytest.fixture(scope="module")
def built():
  """A task and its model; tests may train it."""
  task = _task()
  return task, _build(task)


def _scores(model) -> np.ndarray:
  return model.encoder_network.importance_scorer.table.numpy()


def _results(metrics) -> dict:
  return {metric.name: metric.result() for metric in metrics}


def _learnt(started: tuple) -> list:
  """Returns metrics, importance and weights of what was trained."""
  model, _, metrics = started
  results = _results(metrics).values()
  return [*results, _scores(model), *model.get_weights()]


def test_model_that_always_keeps_a_count_evaluates():
  fields = {"token_keep_k": 3, "drop_at_inference": True}
  model = _task(encoder={"any": fields}).build_model()
  outputs = model(_batch(), training=False)
  assert outputs["kept_positions"].shape[1] == 3


def test_a_step_moves_importance_and_counts_the_kept_share(built):
  """Importance follows the loss of masked tokens; the share is of real ones."""
  task, model = built
  real = tf.sequence_mask([12] * 4, testing.SEQ_LENGTH, tf.int32)
  batch = _batch() | {"input_mask": real}
  batch["input_word_ids"] *= real
  before = _scores(model)
  outputs = model(batch, training=True)
  losses = mlm_losses.masked_lm_losses(batch, outputs).numpy()
  metrics = task.build_metrics(training=True)
  task.train_step(batch, model, _sgd(), metrics)
  after = _scores(model)
  used = batch["masked_lm_weights"].numpy() > 0
  ids = batch["masked_lm_ids"].numpy()
  for token in range(testing.VOCAB_SIZE):
    expected = before[token]
    if token in ids[used]:
      mean = losses[used & (ids == token)].mean()
      expected = 0.995 * expected + 0.005 * mean
    np.testing.assert_allclose(after[token], expected, rtol=1e-5)
  np.testing.assert_allclose(_results(metrics)["kept_share"], 8 / 12, rtol=1e-6)


def test_two_replicas_train_as_one_on_the_global_batch():
  results = []
  for count in (1, 2):
    strategy = testing.mirrored(count)
    with strategy.scope():
      task = _task(cls_heads=[HEAD])
      started = _build(task), _sgd(), task.build_metrics(training=True)
    shards = _shards(strategy, _batch(next_sentence=True))
    for _ in range(3):
      strategy.run(task.train_step, args=(shards, *started))
    results.append(_learnt(started))
    model, *_ = started
    table = model.encoder_network.importance_scorer.table
    for copy in strategy.experimental_local_results(table):
      np.testing.assert_array_equal(copy, _scores(model))
  for one, two in zip(*results, strict=True):
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def _shards(strategy, batch: dict):
  """Splits a batch among replicas, unevenly where predictions are unused."""
  weights = batch["masked_lm_weights"].numpy()
  weights[0] = 0.0
  batch = batch | {"masked_lm_weights": tf.constant(weights)}
  count = strategy.num_replicas_in_sync

  def part(context):
    rows = slice(context.replica_id_in_sync_group, None, count)
    return {name: tensor[rows] for name, tensor in batch.items()}

  return strategy.experimental_distribute_values_from_function(part)


SCHEDULE = {
  "type": "steps",
  "steps": [
    {"step": 1, "keep_ratios": [0.75]},
    {"step": 2, "keep_ratios": [1.0]},
  ],
  "train_steps": 3,
}


@pytest.mark.parametrize(
  "replicas", [1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_step_of_a_schedule_is_a_step_of_its_ratio(replicas):
  """Each of three steps equals an eager one of a task that keeps its share.

  On one replica those of the schedule are compiled with XLA.
  """
  strategy = testing.mirrored(replicas)
  shards = _shards(strategy, _batch())
  with strategy.scope():
    task = _task(schedule=SCHEDULE)
    scheduled, plain = (
      (_build(task), _sgd(), task.build_metrics(training=True))
      for _ in range(2)
    )
  one = tf.function(
    lambda *args: task.train_step(*args)["loss"], jit_compile=replicas == 1
  )
  step = tf.function(strategy.run)
  for ratio in (0.5, 0.75, 1.0):
    loss = step(one, args=(shards, *scheduled))
    plain_task = _task(encoder={"any": {"token_keep_ratio": ratio}})
    expected = strategy.run(plain_task.train_step, args=(shards, *plain))
    losses = [loss, expected["loss"]]
    losses = [strategy.reduce("MEAN", each, axis=None) for each in losses]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    for found, wanted in zip(*map(_learnt, (scheduled, plain)), strict=True):
      np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_without_scale_loss_the_gradients_of_replicas_add_up():
  moves = []
  for count in (1, 2):
    strategy = testing.mirrored(count)
    with strategy.scope():
      task = _task()
      task.task_config.scale_loss = False
      model, optimizer = _build(task), _sgd()
      model(_batch())  # makes the weights
    before = model.get_weights()
    shards = strategy.experimental_distribute_values_from_function(
      lambda _: _batch()
    )
    strategy.run(task.train_step, args=(shards, model, optimizer, []))
    after = model.get_weights()
    moves.append([b - a for a, b in zip(before, after, strict=True)])
  for one, two in zip(*moves, strict=True):
    np.testing.assert_allclose(2 * one, two, rtol=1e-4, atol=1e-6)


def _losses(model, ids, positions, **more) -> np.ndarray:
  """Returns those of unmasked tokens at some positions of one record."""
  ids, positions = tf.constant(ids), tf.constant([positions])
  batch = {"input_word_ids": ids, "masked_lm_positions": positions}
  batch |= {"input_mask": tf.ones_like(ids), **more}
  batch["input_type_ids"] = tf.zeros_like(ids)
  batch["masked_lm_ids"] = tf.gather(ids, positions, batch_dims=1)
  outputs = model(batch, training=False)
  return mlm_losses.masked_lm_losses(batch, outputs).numpy()


def _assert_kept_apart(model, first: int) -> None:
  """Packs a document of a length and one that fills the record; compares."""
  for weight in model.trainable_weights:  # else what is seen hardly matters
    weight.assign(weight * (10 if len(weight.shape) > 1 else 1))
  ids = np.random.default_rng(0).integers(
    5, 50, [1, testing.SEQ_LENGTH], np.int32
  )
  ids[0, [first - 1, -1]] = 3
  documents = pretrain_data.document_ids(tf.constant(ids), end_id=3)
  places = [1, 4], [1, 4, testing.SEQ_LENGTH - first - 2]
  together = [*places[0], *(first + place for place in places[1])]
  packed = _losses(model, ids, together, document_ids=documents)
  parts = ids[:, :first], ids[:, first:]
  alone = [_losses(model, *pair) for pair in zip(parts, places, strict=True)]
  np.testing.assert_allclose(packed, np.concatenate(alone, 1), atol=1e-5)
  assert (np.abs(_losses(model, ids, together) - packed) > 1e-4).all()


def test_loss_of_packed_documents_is_that_of_each_alone():
  """For equal positions: row i of the table is row i of each document."""
  model = _task().build_model()
  first = testing.SEQ_LENGTH // 2
  (table,) = (v for v in model.variables if "position_embedding" in v.name)
  table.assign(np.concatenate([table[:first]] * 2))
  _assert_kept_apart(model, first)


def test_where_positions_are_relative_documents_may_begin_anywhere():
  """In global layers and in a local one, whose blocks span two documents."""
  changes = {"task": {"model": run_testing.MODERNBERT}}
  params = replica_testing.make_params(changes, "modernbert/token_drop")
  model = masked_lm.TokenDropMaskedLMTask(params.task).build_model()
  _assert_kept_apart(model, first=7)


def test_validation_loss_is_that_of_bert_on_whole_sequences(built):
  (task, model), batch = built, _batch()
  dense_task = _task(encoder={"any": {"token_keep_ratio": 1.0}})
  dense = dense_task.build_model()
  for each in (model, dense):
    each(_batch(slice(1)))
  dense.set_weights(model.get_weights())
  metrics = task.build_metrics()
  task.validation_step(batch, model, metrics)
  theirs = model_garden.MaskedLMTask.validation_step(
    dense_task, batch, dense, dense_task.build_metrics()
  )
  loss = _results(metrics)["lm_example_loss"]
  np.testing.assert_allclose(loss, theirs["loss"], rtol=1e-6)


def test_loss_metric_weighs_batches_by_their_predictions(built):
  task, model = built
  metrics, losses = task.build_metrics(), []
  for batch in (_batch(), _batch(slice(9, 10))):
    alone = task.build_metrics()
    for each in (alone, metrics):
      assert task.validation_step(batch, model, each) == {}
    losses.append(_results(alone)["lm_example_loss"])
  expected = (losses[0] * 8 + losses[1] * 2) / 10
  loss = _results(metrics)["lm_example_loss"]
  np.testing.assert_allclose(loss, expected, rtol=1e-6)


def _save_bert(directory, hidden_size: int = 8) -> str:
  """Saves a BERT without importance table, as Model Garden would."""
  sizes = testing.SIZES | {"hidden_size": hidden_size}
  encoder = {"type": "bert_v2", "bert_v2": sizes}
  model = {"encoder": encoder, "cls_heads": []}
  config = model_garden.MaskedLMConfig(model=bert.PretrainerConfig(model))
  model = model_garden.MaskedLMTask(config).build_model()
  model(_batch())
  checkpoint = tf.train.Checkpoint(model=model, **model.checkpoint_items)
  return checkpoint.save(directory / "bert")


def _initialize(path, model) -> None:
  task = _task()
  task.task_config.init_checkpoint = str(path)
  task.initialize(model)


def test_init_checkpoint_may_be_any_bert(tmp_path, built):
  path = _save_bert(tmp_path)
  _, model = built
  before = _scores(model)
  _initialize(path, model)
  reader = tf.train.load_checkpoint(path)
  kernel = "encoder/_pooler_layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
  np.testing.assert_array_equal(
    model.encoder_network.pooler_layer.kernel, reader.get_tensor(kernel)
  )
  np.testing.assert_array_equal(_scores(model), before)


def test_init_checkpoint_brings_the_importance(tmp_path, built):
  task, trained = built
  table = trained.encoder_network.importance_scorer.table
  table.assign(np.arange(testing.VOCAB_SIZE, dtype=np.float32))
  tf.train.Checkpoint(**trained.checkpoint_items).save(tmp_path / "ckpt")
  model = task.build_model()
  _initialize(tmp_path, model)  # a folder: its latest
  np.testing.assert_array_equal(_scores(model), _scores(trained))


@pytest.mark.parametrize(
  ("save", "reason"),
  [
    (lambda folder: folder, "must name a whole checkpoint"),  # none in it
    (
      lambda folder: _save_bert(folder, hidden_size=4),
      "must hold every weight .* of shape .*, not",
    ),
    (
      lambda folder: tf.train.Checkpoint(v=tf.Variable(1.0)).save(folder / "v"),
      "must hold every weight .* without encoder/.* and [0-9]+ more$",
    ),
  ],
)
def test_wrong_init_checkpoint_is_one_line(tmp_path, built, save, reason):
  _, model = built
  message = testing.refused(_initialize, save(tmp_path), model)
  assert re.match(f"task.init_checkpoint .*{reason}", message)


# Data without masks.


@pytest.fixture
def dynamic_data(tmp_path):
  """A task's training data with dynamic masking and one record."""
  path = tmp_path / "records"
  testing.write_records(path, [testing.dynamic_features(0)])
  return _task().task_config.train_data.replace(
    input_path=str(path),
    vocab_file=testing.write_vocabulary(tmp_path / "vocab.txt"),
    masking="dynamic",
    global_batch_size=1,
  )


def _first_batch(task, data) -> dict:
  return next(iter(task.build_inputs(data)))


def test_ids_are_checked_after_masking_too(dynamic_data):
  record = testing.dynamic_features(0)
  record["input_word_ids"][5] = testing.VOCAB_SIZE
  testing.write_records(dynamic_data.input_path, [record])
  dynamic_data.override({"mask_share": 0.0, "random_share": 0.0})
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    _first_batch(_task(), dynamic_data)
  complaint = record_rules.broken_rule(caught.value)
  assert complaint.startswith("input_word_ids must be in ")


def test_continued_run_goes_on_with_the_rate(tmp_path, dynamic_data):
  step = tf.Variable(0, dtype=tf.int64)
  checkpoint = tf.train.Checkpoint(global_step=step)
  dynamic_data.override(
    {"masking_rate": 0.01, "final_masking_rate": 0.4, "masking_rate_steps": 10}
  )
  task = masked_lm.TokenDropMaskedLMTask(
    _task().task_config, logging_dir=str(tmp_path)
  )
  numbers = []
  for number in (0, 10):
    step.assign(number)
    checkpoint.save(str(tmp_path / "ckpt"))
    weights = _first_batch(task, dynamic_data)["masked_lm_weights"]
    numbers.append(int(tf.reduce_sum(weights)))
  assert numbers == [1, testing.PREDICTIONS]


def test_dummy_data_of_model_garden_needs_no_records():
  data = _task().task_config.train_data
  data.override({"input_path": "dummy", "masking": "dynamic"})
  batch = _first_batch(_task(), data)
  assert batch["input_word_ids"].shape == [1, testing.SEQ_LENGTH]
