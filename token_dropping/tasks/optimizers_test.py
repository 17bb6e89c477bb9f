# SPDX-License-Identifier: Apache-2.0
"""Tests of clipping, and of the learning rate by layer-tokens."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg

from tests import drops_testing
from tests import replica_testing
from token_dropping.dropping import keep_schedule
from token_dropping.dropping import step_schedule
from token_dropping.tasks import optimizers
from token_dropping.tasks.masked_lm import task as masked_lm


def _config(**adamw):
  params = replica_testing.make_params()
  config = params.trainer.optimizer_config
  config.override({"optimizer": {"adamw": adamw}})
  return config


def test_gradients_are_clipped_together():
  pairs = [(tf.constant([3.0]), "a"), (tf.constant([0.0, 4.0]), "b")]
  clipped = optimizers.clip_by_global_norm(pairs, 1.0)
  assert [variable for _, variable in clipped] == ["a", "b"]
  np.testing.assert_allclose(clipped[0][0], [0.6], rtol=1e-6)
  np.testing.assert_allclose(clipped[1][0], [0.0, 0.8], rtol=1e-6)


def test_a_row_that_occurs_twice_counts_as_its_sum():
  rows = tf.IndexedSlices(
    tf.constant([[1.0], [2.0]]), tf.constant([1, 1]), tf.constant([3, 1])
  )
  ((clipped, _),) = optimizers.clip_by_global_norm([(rows, "a")], 1.0)
  np.testing.assert_allclose(clipped, [[0.0], [1.0], [0.0]], rtol=1e-6)


def test_config_stays_as_it_was():
  config = _config(gradient_clip_norm=0.5)
  optimizer = optimizers.create_optimizer(config)
  assert optimizer.gradient_clip_norm == 0.0
  assert len(optimizer.gradient_transformers) == 1
  assert config.optimizer.adamw.gradient_clip_norm == 0.5
  assert optimizer.weight_decay_rate == 0.01
  unclipped = optimizers.create_optimizer(_config(gradient_clip_norm=0.0))
  assert unclipped.gradient_transformers == []


def _moments(optimizer, gradient: float) -> float:
  """Returns Adam's first moment after a step, a tenth of what it was given."""
  variable = tf.Variable([1.0])
  optimizer.apply_gradients([(tf.constant([gradient]), variable)])
  inner = getattr(optimizer, "inner_optimizer", optimizer)
  return float(inner.get_slot(variable, "m")[0])


@pytest.mark.parametrize("dtype", [None, "float16"])
def test_clipping_does_not_depend_on_the_loss_scale(dtype):
  runtime = cfg.RuntimeConfig(mixed_precision_dtype=dtype, loss_scale=128.0)
  optimizer = optimizers.create_optimizer(
    _config(gradient_clip_norm=0.5), runtime
  )
  scaled = isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer)
  assert scaled == (dtype == "float16")
  np.testing.assert_allclose(_moments(optimizer, 4.0), 0.05, rtol=1e-5)


def test_gradients_that_overflow_move_nothing():
  runtime = cfg.RuntimeConfig(mixed_precision_dtype="float16")
  optimizer = optimizers.create_optimizer(_config(), runtime)
  variable, before = tf.Variable([1.0]), float(optimizer.loss_scale)
  optimizer.apply_gradients([(tf.constant([np.inf]), variable)])
  np.testing.assert_array_equal(variable, [1.0])
  assert float(optimizer.loss_scale) == before / 2


# The learning rate by layer-tokens.

LENGTH, STEPS = 16, 20
PLAN = drops_testing.make_plan(
  5, token_keep_ratio=0.25, drop_layer=1, restore_layer=3
)
FULL = keep_schedule.full_plan(PLAN)


def test_layer_tokens_by_hand():
  # Layers 0, 3 and 4 have 16 tokens, 1 and 2 have 4.
  kinds = [step_schedule.StepKind(plan) for plan in (PLAN, FULL)]
  kinds.append(step_schedule.StepKind(PLAN, compared=True))
  assert [kind.layer_tokens(LENGTH) for kind in kinds] == [56, 80, 80]


def test_rate_advances_with_the_layer_tokens():
  phases = (keep_schedule.Phase(0, PLAN), keep_schedule.Phase(12, FULL))
  schedule = step_schedule.StepSchedule(phases, full_interval=5)
  rate = optimizers.LayerTokenRate(
    lambda step: 1 - step / STEPS, schedule, STEPS, LENGTH
  )
  # Steps 5 and 10, and those from 13 on, are full.
  tokens = [80 if n in (5, 10) or n > 12 else 56 for n in range(1, STEPS + 1)]
  for step in range(STEPS + 1):
    expected = 1 - sum(tokens[:step]) / sum(tokens)
    for kind in (tf.int64, tf.float32):  # optimizers hand over either
      found = rate(tf.constant(step, kind))
      np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_optimizer_of_the_task_uses_it():
  schedule = {"type": "linear", "num_ratios": 2, "train_steps": STEPS}
  rates = []
  for on in (False, True):
    task = {"keep_schedule": schedule, "learning_rate_by_layer_tokens": on}
    params = replica_testing.make_params({"task": task})
    optimizer = masked_lm.TokenDropMaskedLMTask(params.task).create_optimizer(
      params.trainer.optimizer_config
    )
    rates.append(optimizer.learning_rate)
  plan = params.task.model.encoder.any.drop_plan
  few, all_ = (
    step_schedule.StepKind(each).layer_tokens(LENGTH)
    for each in (plan, keep_schedule.full_plan(plan))
  )
  share = few / (few + all_)  # of the layer-tokens, in half of the steps
  plain, by_tokens = rates
  for step, same in ((STEPS // 2, share * STEPS), (STEPS, STEPS)):
    np.testing.assert_allclose(by_tokens(step), plain(same), rtol=1e-5)
  assert float(by_tokens(STEPS // 2)) > float(plain(STEPS // 2))
