# SPDX-License-Identifier: Apache-2.0
"""Training with semantic consistency: when, what, and the same everywhere."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import fault_testing
from tests import replica_testing
from tests import testing
from token_dropping.dropping import keep_schedule
from token_dropping.tasks.masked_lm import semantic_consistency


def _run(replicas=1, encoder=None, runtime=None, **task):
  """Returns a tiny run in which every second step compares."""
  changes = {"semantic_consistency": {"interval": 2}} | task
  changes["model"] = {"encoder": {"any": encoder or {}}}
  strategy = tf.distribute.get_strategy()
  if replicas > 1:
    strategy = testing.mirrored(replicas)
  return replica_testing.Run(
    strategy,
    {
      "task": changes,
      "runtime": runtime or {},
      "trainer": {"optimizer_config": replica_testing.STEADY},
    },
  )


_batch = replica_testing.make_batch


def _step(run, batch) -> dict:
  logs = run.task.train_step(batch, run.model, run.optimizer, run.metrics)
  return {name: float(value) for name, value in logs.items()}


def test_every_second_step_adds_the_terms_of_a_full_pass():
  run, batch = _run(), _batch()
  model = run.model
  full_plan = keep_schedule.full_plan(model.encoder_network.drop_plan)
  for number in (1, 2, 3):
    dropped = model(batch, training=True)
    full = model(batch, training=True, plan=full_plan)
    added = semantic_consistency.terms(batch, dropped, full, detach=False)
    logs = _step(run, batch)
    expected = logs["loss"]
    if number % 2 == 0:
      expected = 0.5 * expected + 0.5 * added["full_lm_example_loss"]
      expected += 0.05 * (added["kl_before_last"] + added["kl_last"])
      assert float(added["kl_last"]) > 0
    np.testing.assert_allclose(logs["objective"], expected, rtol=1e-5)
    scores = run.scores()
    assert np.isnan(scores["kl_last"]) == (number == 1)
    if number == 2:  # the only one so far
      for name, value in added.items():
        np.testing.assert_allclose(scores[name], value, rtol=1e-5)


def test_weights_move_by_the_total_and_importance_by_the_dropped_pass():
  """One of two steps alone: the other runs are plain ones of one pass each."""
  weights = {"kl_before_last_weight": 0.0, "kl_last_weight": 0.0}
  weights |= {"dropped_weight": 1.0, "full_weight": 0.0, "interval": 1}
  plain = _run(semantic_consistency={"interval": 0})
  only_dropped = _run(semantic_consistency=weights)
  batch = _batch()
  losses = [_step(run, batch)["loss"] for run in (plain, only_dropped)]
  assert losses[0] == losses[1]
  replica_testing.assert_same(
    only_dropped.model.get_weights(), plain.model.get_weights()
  )
  swapped = {"dropped_weight": 0.0, "full_weight": 1.0}
  only_full = _run(semantic_consistency=weights | swapped)
  keep_all = {"token_keep_ratio": 1.0}
  bert = _run(encoder=keep_all, semantic_consistency={"interval": 0})
  for run in (only_full, bert):
    _step(run, batch)
  replica_testing.assert_same(
    only_full.model.get_weights(), bert.model.get_weights()
  )
  for run in (only_dropped, only_full):  # whatever was minimised
    np.testing.assert_array_equal(run.tables()[0], plain.tables()[0])
  assert np.ptp(bert.tables()[0] - plain.tables()[0]) > 0


def test_keeping_all_tokens_is_the_plain_step():
  keep_all = {"token_keep_k": testing.SEQ_LENGTH}
  plain, run = (
    _run(encoder=keep_all, semantic_consistency={"interval": interval})
    for interval in (0, 1)
  )
  for one in (plain, run):
    _step(one, _batch())
  replica_testing.assert_same(
    run.model.get_weights(), plain.model.get_weights()
  )
  assert run.scores()["kl_last"] == 0


def _items(run) -> dict:
  items = {"model": run.model, "optimizer": run.optimizer}
  return items | run.model.checkpoint_items


def test_run_that_goes_on_equals_one_that_was_not_stopped(tmp_path):
  """The kind of a step follows from the optimizer's counter alone."""
  whole, other, batch = _run(), _run(), _batch()
  _step(whole, batch)
  path = tf.train.Checkpoint(**_items(whole)).save(tmp_path / "ckpt")
  tf.train.Checkpoint(**_items(other)).restore(path)
  assert _step(other, batch) == _step(whole, batch)
  assert other.scores()["kl_last"] > 0
  weights = [
    [run.tables()[0], *run.model.get_weights()] for run in (other, whole)
  ]
  for one, another in zip(*weights, strict=True):
    np.testing.assert_array_equal(one, another)


@pytest.mark.slow
def test_replicas_slices_and_float16_learn_what_the_whole_batch_does():
  whole = _run()
  records = replica_testing.make_records(32, padding_every=8)
  losses = whole.train(records)
  run = _run(replicas=2, gradient_accumulation_steps=2)
  replica_testing.assert_same(run.train(records), losses)
  replica_testing.assert_same(run.learnt(), whole.learnt())
  with replica_testing.precision("float16") as runtime:
    run = _run(runtime=runtime)
    np.testing.assert_allclose(run.train(records), losses, atol=1e-3)
  assert isinstance(run.optimizer, tf_keras.mixed_precision.LossScaleOptimizer)


@pytest.mark.slow
def test_run_with_all_options_shows_them(tmp_path, capsys):
  task = {
    "semantic_consistency": {"interval": 3},
    "keep_schedule": {"type": "linear", "num_ratios": 2, "full_interval": 4},
    "learning_rate_by_layer_tokens": True,
    "dropped_validation": True,
  }
  steps = {"train_steps": 6, "validation_interval": 6}
  fault_testing.write_run(tmp_path, task=task, trainer=steps)
  fault_testing.launch(tmp_path, tmp_path / "run")
  assert "\n  dropped loss     " in capsys.readouterr().out
  evaluated = fault_testing.curves(tmp_path / "run" / "validation")
  assert {"dropped_lm_example_loss", "lm_example_loss"} <= evaluated.keys()
  trained = fault_testing.curves(tmp_path / "run" / "train")
  assert {"learning_rate", *semantic_consistency.METRICS} <= trained.keys()
