# SPDX-License-Identifier: Apache-2.0
"""Tests of the model of a run and of what it drops at a step."""

import numpy as np
import pytest
import tensorflow as tf

from tests import explain_testing
from token_dropping.dropping import drop_plan
from token_dropping.dropping import keep_schedule
from token_dropping.explain import dropping_model
from token_dropping.training import trained_run


def test_weights_and_table_are_those_of_the_run(tmp_path):
  trained = explain_testing.make_run(tmp_path / "run")
  run = trained_run.TrainedRun.read(str(tmp_path / "run"))
  dropping_model.check(run)
  model = dropping_model.build(run)
  ids = tf.constant([[2, 9, 8, 7, 3]])
  inputs = {
    "input_word_ids": ids,
    "input_mask": tf.ones_like(ids),
    "input_type_ids": tf.zeros_like(ids),
    "masked_lm_positions": tf.constant([[1]]),
  }
  for training in (True, False):
    np.testing.assert_allclose(
      model(inputs, training=training)["mlm_logits"],
      trained(inputs, training=training)["mlm_logits"],
      rtol=1e-5,
      atol=1e-6,
    )
  np.testing.assert_array_equal(
    model.encoder_network.importance_scorer(ids),
    trained.encoder_network.importance_scorer(ids),
  )


@pytest.mark.parametrize(
  ("step", "ratio"), [(0, 0.5), (39, 0.5), (40, 0.75), (95, 0.75)]
)
def test_the_plan_is_that_of_the_step_or_the_last_that_drops(step, ratio):
  config = keep_schedule.KeepScheduleConfig(
    type="steps",
    steps=[keep_schedule.KeepStep(step=40, keep_ratios=(0.75,))],
    full_last_steps=0.1,
    train_steps=100,
  )
  phases = keep_schedule.phases(config, drop_plan.DropPlan.create(6))
  plan = dropping_model.plan_at(phases, step)
  assert plan.stages[0].keep_ratio == ratio


def test_stages_of_params_are_read(tmp_path):
  explain_testing.make_run(tmp_path / "run")
  explain_testing.edit(
    tmp_path / "run",
    *("task", "model", "encoder", "any", "stages"),
    value=[{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.5}],
  )
  run = trained_run.TrainedRun.read(str(tmp_path / "run"))
  plan = dropping_model.current_plan(run)
  assert [stage.keep_ratio for stage in plan.stages] == [0.75, 0.5]
  dropping_model.build(run)
