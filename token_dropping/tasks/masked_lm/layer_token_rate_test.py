# SPDX-License-Identifier: Apache-2.0
"""Tests of the rate by layer-tokens: by hand, and in an optimizer."""

import numpy as np
import tensorflow as tf

from tests import drops_testing
from tests import replica_testing
from token_dropping.dropping import keep_schedule
from token_dropping.dropping import step_schedule
from token_dropping.tasks.masked_lm import layer_token_rate

LENGTH, STEPS = 16, 20
PLAN = drops_testing.make_plan(
  5, token_keep_ratio=0.25, drop_layer=1, restore_layer=3
)
FULL = keep_schedule.full_plan(PLAN)


def test_layer_tokens_by_hand():
  # Layers 0, 3 and 4 have 16 tokens, 1 and 2 have 4.
  assert step_schedule.StepKind(PLAN).layer_tokens(LENGTH) == 56
  assert step_schedule.StepKind(FULL).layer_tokens(LENGTH) == 80
  both = step_schedule.StepKind(PLAN, compared=True)
  assert both.layer_tokens(LENGTH) == 80


def test_rate_advances_with_the_layer_tokens():
  phases = (keep_schedule.Phase(0, PLAN), keep_schedule.Phase(12, FULL))
  schedule = step_schedule.StepSchedule(phases, full_interval=5)
  rate = layer_token_rate.LayerTokenRate(
    lambda step: 1 - step / STEPS, schedule, STEPS, LENGTH
  )
  # Steps 5 and 10, and those from 13 on, are full.
  tokens = [80 if n in (5, 10) or n > 12 else 56 for n in range(1, STEPS + 1)]
  for step in range(STEPS + 1):
    expected = 1 - sum(tokens[:step]) / sum(tokens)
    for kind in (tf.int64, tf.float32):  # optimizers hand over either
      found = rate(tf.constant(step, kind))
      np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_equal_steps_change_nothing():
  schedule = step_schedule.StepSchedule((keep_schedule.Phase(0, PLAN),))
  rate = layer_token_rate.LayerTokenRate(tf.sqrt, schedule, STEPS, LENGTH)
  for step in range(STEPS):
    np.testing.assert_allclose(rate(step), step**0.5, rtol=1e-5)


def test_optimizer_of_the_task_uses_it():
  schedule = {"type": "linear", "num_ratios": 2, "train_steps": STEPS}
  runs = [
    replica_testing.Run(
      tf.distribute.get_strategy(),
      {
        "task": {"keep_schedule": schedule, "learning_rate_by_layer_tokens": on}
      },
    )
    for on in (False, True)
  ]
  plain, by_tokens = (run.optimizer.learning_rate for run in runs)
  plan = runs[0].model.encoder_network.drop_plan
  kinds = [
    step_schedule.StepKind(each)
    for each in (plan, keep_schedule.full_plan(plan))
  ]
  few, all_ = (kind.layer_tokens(LENGTH) for kind in kinds)
  share = few / (few + all_)  # of the layer-tokens, in half of the steps
  np.testing.assert_allclose(
    by_tokens(STEPS // 2), plain(share * STEPS), rtol=1e-5
  )
  np.testing.assert_allclose(by_tokens(STEPS), plain(STEPS), rtol=1e-5)
  assert float(by_tokens(STEPS // 2)) > float(plain(STEPS // 2))
