# SPDX-License-Identifier: Apache-2.0
"""Tests of the rules of runtime and trainer, and of who else is asked."""

import pytest

from tests import experiment_checks_testing
from token_dropping.common import errors
from token_dropping.training import experiment_checks

ADAMW = "trainer.optimizer_config.optimizer.adamw"
WARMUP = "trainer.optimizer_config.warmup"
RATE = "trainer.optimizer_config.learning_rate"


@pytest.mark.parametrize(
  "changes",
  [
    {},
    {"trainer.validation_steps": -1},
    {"task.gradient_accumulation_steps": 2},
    *(
      {"runtime.distribution_strategy": kind}
      for kind in experiment_checks.STRATEGIES
    ),
    *(
      {f"{ADAMW}.{name}": 1.0, f"{ADAMW}.gradient_clip_norm": 0.0}
      for name in ("clipnorm", "clipvalue", "global_clipnorm")
    ),
  ],
)
@pytest.mark.parametrize("name", ["bert/token_drop", "bert/pretraining"])
def test_what_is_allowed(changes, name):
  if name == "bert/token_drop" or not any("task" in path for path in changes):
    experiment_checks_testing.check(changes, name)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"runtime.distribution_strategy": "gpu"},
      "runtime.distribution_strategy must be one of off, one_device, mirrored, "
      "multi_worker_mirrored, parameter_server, tpu. Received: 'gpu'",
    ),
    (
      {"runtime.num_gpus": -1},
      "runtime.num_gpus must be at least 0. Received: -1",
    ),
    *(
      (
        {f"trainer.{name}": value},
        f"trainer.{name} must be at least 1. Received: {value}",
      )
      for name in (
        "train_steps",
        "steps_per_loop",
        "summary_interval",
        "checkpoint_interval",
        "validation_interval",
      )
      for value in (0, -1)
    ),
    (
      {"trainer.steps_per_loop": 4, "trainer.summary_interval": 6},
      "trainer.summary_interval must be a multiple of trainer.steps_per_loop "
      "(4). Received: 6",
    ),
    *(
      (
        {"trainer.validation_steps": steps},
        "trainer.validation_steps must be at least 1, or -1 for all data. "
        f"Received: {steps}",
      )
      for steps in (0, -2)
    ),
    *(
      (
        {f"{ADAMW}.{name}": 1.0},
        f"{ADAMW}.{name} must be unset unless {ADAMW}.gradient_clip_norm is 0. "
        "Received: 1.0",
      )
      for name in ("clipnorm", "clipvalue", "global_clipnorm")
    ),
    *(
      (
        {f"trainer.{field}": value},
        f"trainer.{field} must be {off}: the launcher does this in its own "
        f"way, see docs/reliability.md. Received: {shown}",
      )
      for field, value, off, shown in (
        ("preemption_on_demand_checkpoint", True, "false", "true"),
        ("recovery_max_trials", 0, "-1", "0"),
      )
    ),
  ],
)
@pytest.mark.parametrize("name", ["bert/token_drop", "bert/pretraining"])
def test_what_is_refused(changes, message, name):
  assert experiment_checks_testing.refused(changes, name) == message


@pytest.mark.parametrize("warmup", [9, 10])
def test_warmup_that_outlasts_the_decay_is_doubted(warmup):
  params = experiment_checks_testing.params(
    {
      f"{WARMUP}.polynomial.warmup_steps": warmup,
      f"{RATE}.polynomial.decay_steps": 9,
    }
  )
  assert experiment_checks.find_doubts(params) == [
    "trainer.optimizer_config: warmup_steps should be below decay_steps (9), "
    f"or the learning rate stays at its end. Received: {warmup}"
  ]


@pytest.mark.parametrize(
  "changes",
  [
    {
      f"{WARMUP}.polynomial.warmup_steps": 8,
      f"{RATE}.polynomial.decay_steps": 9,
    },
    {f"{WARMUP}.type": None, f"{RATE}.polynomial.decay_steps": 9},
    {f"{RATE}.type": "constant"},
    {f"{RATE}.type": None},
  ],
)
def test_ordinary_schedules_are_not_doubted(changes):
  params = experiment_checks_testing.params(changes)
  assert experiment_checks.find_doubts(params) == []


@pytest.mark.parametrize(
  ("mode", "names"),
  [
    ("train", ["train_data"]),
    ("eval", ["validation_data"]),
    ("continuous_eval", ["validation_data"]),
    ("train_and_eval", ["train_data", "validation_data"]),
    ("train_and_post_eval", ["train_data", "validation_data"]),
  ],
)
def test_used_data_by_mode(mode, names):
  params = experiment_checks_testing.params()
  used = experiment_checks.used_data(params, mode)
  assert list(used) == [f"task.{name}" for name in names]
  for name in names:
    assert used[f"task.{name}"] is getattr(params.task, name)


@pytest.mark.parametrize(
  ("changes", "replicas", "message"),
  [
    (
      {},
      8,
      "task.train_data.global_batch_size must be a multiple of 8 replicas. "
      "Received: 4",
    ),
    (
      {"task.gradient_accumulation_steps": 4},
      2,
      "task.train_data.global_batch_size must be a multiple of 2 replicas x 4 "
      "task.gradient_accumulation_steps. Received: 4",
    ),
    (
      {"task.validation_data.global_batch_size": 3},
      2,
      "task.validation_data.global_batch_size must be a multiple of 2 "
      "replicas. Received: 3",
    ),
  ],
)
def test_replicas_must_share_equally(changes, replicas, message):
  params = experiment_checks_testing.params(changes)
  with pytest.raises(errors.UserError) as caught:
    experiment_checks.check_replicas(params, replicas)
  assert str(caught.value) == message


def test_slices_that_divide_may_be_shared():
  slices = {"task.gradient_accumulation_steps": 2}
  params = experiment_checks_testing.params(slices)
  experiment_checks.check_replicas(params, 2)
