# SPDX-License-Identifier: Apache-2.0
"""Tests of what a loss where tokens are kept needs."""

import pytest

from tests import config_testing
from tests import gpt_testing

_TYPE = "task.loss_positions.type"


@pytest.mark.parametrize(
  ("changes", "where"),
  [
    (
      {f"{config_testing.ENCODER}.importance.type": "frequency"},
      "unless random tokens alone stay: others are no fair sample",
    ),
    (
      {f"{config_testing.ENCODER}.token_allow_list": [5]},
      "unless random tokens alone stay: others are no fair sample",
    ),
    (
      {f"{config_testing.ENCODER}.drop.type": "layerwise"},
      "where each layer keeps other tokens",
    ),
    (
      {f"{config_testing.ENCODER}.token_keep_ratio": 1.0},
      "unless tokens are dropped",
    ),
    (
      {"task.keep_schedule": {"type": "linear", "train_steps": 9}},
      "where task.keep_schedule changes how many stay",
    ),
    (
      {"task.keep_schedule.full_interval": 4},
      "where task.keep_schedule changes how many stay",
    ),
  ],
)
def test_a_loss_of_kept_tokens_needs_a_fair_and_steady_choice(changes, where):
  changes = changes | {_TYPE: "kept"}
  found = config_testing.refused_changes(changes, gpt_testing.EXPERIMENT)
  rule = f"{_TYPE} must be all or random {where}. Received: kept"
  assert found == rule


@pytest.mark.parametrize(
  ("field", "value"), [("tfds_name", "lm1b"), ("input_path", "dummy")]
)
def test_data_are_files(field, value):
  path = f"task.train_data.{field}"
  message = config_testing.refused_changes(
    {path: value}, gpt_testing.EXPERIMENT
  )
  files = "must be left for files in task.train_data.input_path"
  assert message == f"{path} {files}. Received: {value!r}"
