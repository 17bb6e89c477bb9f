# SPDX-License-Identifier: Apache-2.0
"""Tests of the task on sentences: losses, parts, strict restoring, scores."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests import finetune_testing
from tests import testing
from token_dropping.data.finetuning import glue_tasks
from token_dropping.tasks.sentences import task as sentence_task

KEEP = "task.model.encoder.any.token_keep_ratio=0.5"


def _task(prepared, *overrides) -> sentence_task.SentenceTask:
  params = finetune_testing.parse(
    finetune_testing.GLUE, prepared / "run", prepared / "classes", *overrides
  )
  return sentence_task.SentenceTask(params.task)


@pytest.fixture(scope="module")
def built(prepared):
  """Tasks with their initialized models: one drops nothing, one half."""
  tasks = {"whole": _task(prepared), "dropped": _task(prepared, KEEP)}
  built = {name: (task, task.build_model()) for name, task in tasks.items()}
  for task, model in built.values():
    task.initialize(model)
  return built


def test_encoder_and_importance_where_tokens_drop_are_restored(prepared, built):
  reader = tf.train.load_checkpoint(str(prepared / "run"))
  name = "encoder/_pooler_layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
  for _, model in built.values():
    pooler = model.checkpoint_items["encoder"].pooler_layer.kernel
    np.testing.assert_array_equal(pooler, reader.get_tensor(name))
  (name,) = [
    key
    for key in reader.get_variable_to_shape_map()
    if key.startswith("importance/") and reader.get_tensor(key).shape
  ]
  whole, dropped = (model.checkpoint_items for _, model in built.values())
  table = dropped["importance"].variables[0]
  np.testing.assert_array_equal(table, reader.get_tensor(name))
  assert "importance" not in whole


def test_a_checkpoint_without_importance_is_refused_where_tokens_drop(
  prepared, built, tmp_path
):
  (_, whole), (_, dropping) = built.values()
  items = {"encoder": whole.checkpoint_items["encoder"]}
  prefix = tf.train.Checkpoint(**items).write(str(tmp_path / "ckpt"))
  task = _task(prepared, f"task.init_checkpoint={prefix}")
  task.initialize(whole)
  message = testing.refused(task.initialize, dropping)
  assert message.startswith("task.init_checkpoint must hold every weight")
  assert "without importance/" in message


def test_a_head_that_nobody_trained_is_not_evaluated(prepared, built, tmp_path):
  task, model = built["whole"]
  message = testing.refused(task.initial_items, model, evaluates=True)
  assert "without model/classifier/" in message
  checkpoint = tf.train.Checkpoint(model=model, **model.checkpoint_items)
  prefix = checkpoint.write(str(tmp_path / "ckpt"))
  task = _task(prepared, f"task.init_checkpoint={prefix}")
  assert task.initial_items(model, evaluates=True)[0].keys() > {"encoder"}


def test_a_run_of_another_size_is_refused(prepared):
  task = _task(prepared, "task.model.encoder.any.num_layers=4")
  message = testing.refused(task.initialize, task.build_model())
  assert "without encoder/_transformer_la" in message


def test_dropping_changes_training_and_not_evaluation(built):
  task, _ = built["whole"]
  batch, _ = next(iter(task.build_inputs(_data(task, 4))))
  outputs = {
    (name, training): model.checkpoint_items["encoder"](
      batch, training=training
    )["sequence_output"].numpy()
    for name, (_, model) in built.items()
    for training in (False, True)
  }
  whole = outputs.pop(("whole", False))
  dropped = outputs.pop(("dropped", True))
  for same in outputs.values():
    np.testing.assert_allclose(whole, same, atol=1e-6)
  assert np.abs(dropped - whole).max() > 1e-3


def _data(task, batch_size: int):
  data = task.task_config.validation_data
  return data.replace(global_batch_size=batch_size)


def test_a_seed_makes_the_same_head(built):
  task, model = built["whole"]
  kernels = [m.classifier.weights[0] for m in (model, task.build_model())]
  np.testing.assert_array_equal(*kernels)


def test_regression_loss_compares_each_with_its_own(prepared):
  task = _task(prepared)
  task.task_config.model.num_classes = 1
  labels = {"label_ids": tf.constant([1.0, 2.0])}
  outputs = tf.constant([[1.0], [4.0]])
  assert task.build_losses(labels, outputs) == 2.0  # (0 + 4) / 2


def test_parts_are_scored_on_their_own(prepared):
  task = _task(prepared)
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


def test_validation_loss_is_a_mean_over_examples(built):
  task, model = built["whole"]
  losses = []
  for size in (4, 10):  # 4, 4 and 2, or all at once
    (metric,) = task.build_metrics(training=False)
    for batch in task.build_inputs(_data(task, size)):
      logs = task.validation_step(batch, model, [metric])
      assert task.loss not in logs  # of which there would be a mean of means
    assert metric.name == sentence_task.VALIDATION_LOSS
    losses.append(metric.result())
  np.testing.assert_allclose(*losses, rtol=1e-6)


# Of the two classes: true positives 2, false positives 1, false negatives 1,
# true negatives 1. Deviations of the numbers: -1 0 1, and -8/3 -5/3 13/3.
CLASSES = [1, 1, 1, 0, 0], [[0, 1], [0, 1], [1, 0], [0, 1], [1, 0]]
NUMBERS = [0.0, 1.0, 2.0], [[0.0], [1.0], [7.0]]
CONSTANT = [0.0, 1.0], [[2.0], [2.0]]


@pytest.mark.parametrize(
  ("name", "answers", "score"),
  [
    ("accuracy", CLASSES, 3 / 5),
    ("f1", CLASSES, 2 * 2 / (2 * 2 + 1 + 1)),
    ("f1", (CLASSES[0], [[1, 0]] * 5), 0.0),  # which never says yes
    ("matthews_corrcoef", CLASSES, (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)),
    ("pearson", NUMBERS, 7 / math.sqrt(2 * 258 / 9)),
    ("spearman", NUMBERS, 1),
    ("pearson", CONSTANT, 0.0),
    ("spearman", CONSTANT, 0.0),
  ],
)
def test_scores_by_hand(name, answers, score):
  found = sentence_task.compute_scores([name], *map(np.array, answers))
  assert found == {name: pytest.approx(score)}


def test_every_score_of_glue_is_known():
  names = {name for task in glue_tasks.TASKS.values() for name in task.metrics}
  assert names == set(sentence_task.SCORES)
