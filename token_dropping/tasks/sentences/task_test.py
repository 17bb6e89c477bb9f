# SPDX-License-Identifier: Apache-2.0
"""Tests of the task on sentences: losses, parts, strict restoring."""

import numpy as np
import pytest
import tensorflow as tf

from tests import finetune_testing
from tests import run_testing
from token_dropping.common import errors
from token_dropping.tasks.sentences import task as sentence_task

KEEP = "task.model.encoder.any.token_keep_ratio=0.5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A pretraining run, `run`, and data of two classes, `data`."""
  path = tmp_path_factory.mktemp("sentences")
  model = run_testing.make_run(path / "run")
  assert model.encoder_network.importance_scorer is not None
  finetune_testing.prepare_classes(path / "data", path / "run")
  return path


def _task(folder, *overrides) -> sentence_task.SentenceTask:
  params = finetune_testing.parse(
    finetune_testing.GLUE, folder / "run", folder / "data", *overrides
  )
  return sentence_task.SentenceTask(params.task)


def test_encoder_is_restored_with_every_weight(folder):
  task = _task(folder)
  model = task.build_model()
  task.initialize(model)
  reader = tf.train.load_checkpoint(str(folder / "run"))
  name = "encoder/_pooler_layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
  pooler = model.checkpoint_items["encoder"].pooler_layer.kernel
  np.testing.assert_array_equal(pooler, reader.get_tensor(name))


def test_importance_is_restored_where_tokens_drop(folder):
  task = _task(folder, KEEP)
  model = task.build_model()
  scorer = model.checkpoint_items["importance"]
  before = scorer.variables[0].numpy()
  task.initialize(model)
  reader = tf.train.load_checkpoint(str(folder / "run"))
  (name,) = [
    key
    for key in reader.get_variable_to_shape_map()
    if key.startswith("importance/") and reader.get_tensor(key).shape
  ]
  np.testing.assert_array_equal(scorer.variables[0], reader.get_tensor(name))
  assert before.shape == scorer.variables[0].shape
  assert "importance" not in _task(folder).build_model().checkpoint_items


def test_a_checkpoint_without_importance_is_refused_where_tokens_drop(
  folder, tmp_path
):
  model = _task(folder).build_model()
  items = {"encoder": model.checkpoint_items["encoder"]}
  prefix = tf.train.Checkpoint(**items).write(str(tmp_path / "ckpt"))
  _task(folder, f"task.init_checkpoint={prefix}").initialize(model)
  task = _task(folder, KEEP, f"task.init_checkpoint={prefix}")
  with pytest.raises(errors.UserError) as caught:
    task.initialize(task.build_model())
  assert "task.init_checkpoint must hold every weight" in str(caught.value)
  assert "without importance/" in str(caught.value)


def test_a_run_of_another_size_is_refused(folder):
  task = _task(folder, "task.model.encoder.any.num_layers=4")
  with pytest.raises(errors.UserError, match="without encoder/_transformer_la"):
    task.initialize(task.build_model())


def test_dropping_changes_training_and_not_evaluation(folder):
  batch, _ = next(iter(_task(folder).build_inputs(_data(folder))))
  outputs = {}
  for name, overrides in (("whole", ()), ("dropped", (KEEP,))):
    task = _task(folder, *overrides)
    model = task.build_model()
    task.initialize(model)
    encoder = model.checkpoint_items["encoder"]
    for training in (False, True):
      states = encoder(batch, training=training)["sequence_output"]
      outputs[name, training] = states.numpy()
  np.testing.assert_allclose(
    outputs["whole", False], outputs["dropped", False], atol=1e-6
  )
  np.testing.assert_allclose(
    outputs["whole", False], outputs["whole", True], atol=1e-6
  )
  difference = outputs["dropped", True] - outputs["whole", True]
  assert np.abs(difference).max() > 1e-3


def _data(folder):
  return _task(folder).task_config.validation_data.replace(global_batch_size=4)


def test_a_seed_makes_the_same_head(folder):
  kernels = [
    _task(folder, "task.seed=5").build_model().classifier.weights[0].numpy()
    for _ in range(2)
  ]
  np.testing.assert_array_equal(*kernels)


def test_regression_loss_compares_each_with_its_own(folder):
  task = _task(folder)
  task.task_config.model.num_classes = 1
  labels = {"label_ids": tf.constant([1.0, 2.0])}
  outputs = tf.constant([[1.0], [4.0]])
  assert task.build_losses(labels, outputs) == 2.0  # (0 + 4) / 2


def test_parts_are_scored_on_their_own(folder):
  task = _task(folder)
  path = task.task_config.validation_data.input_path
  task.task_config.validation_data.input_path = tuple(
    path.replace("validation", f"validation_{name}")
    for name in ("matched", "mismatched")
  )
  names = sentence_task.score_names(task.task_config)
  assert names == ["accuracy_matched", "accuracy_mismatched"]
  state = None
  for part, outputs in ((0, [[0.0, 1.0]]), (1, [[1.0, 0.0], [0.0, 1.0]])):
    batch = {
      "outputs": (tf.constant(outputs),),
      "labels": (tf.ones([len(outputs)], tf.int32),),
      "parts": (tf.fill([len(outputs)], part),),
    }
    state = task.aggregate_logs(state, batch)
  scores = task.reduce_aggregated_logs(state)
  assert scores == {"accuracy_matched": 1.0, "accuracy_mismatched": 0.5}


def test_validation_loss_is_a_mean_over_examples(folder):
  task = _task(folder)
  model = task.build_model()
  losses = []
  for size in (4, 10):  # 4, 4 and 2, or all at once
    data = _data(folder).replace(global_batch_size=size)
    (metric,) = task.build_metrics(training=False)
    for batch in task.build_inputs(data):
      logs = task.validation_step(batch, model, [metric])
      assert task.loss not in logs  # of which there would be a mean of means
    assert metric.name == sentence_task.VALIDATION_LOSS
    losses.append(metric.result())
  np.testing.assert_allclose(*losses, rtol=1e-6)
