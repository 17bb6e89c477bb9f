# SPDX-License-Identifier: Apache-2.0
"""Tests of what a launch checks; whole runs are in `tests/`."""

import pytest

from tests import config_testing
from token_dropping.training import launch

BOTH = ["task.train_data", "task.validation_data"]


@pytest.mark.parametrize(
  ("mode", "paths"),
  [
    ("train", BOTH[:1]),
    ("eval", BOTH[1:]),
    ("continuous_eval", BOTH[1:]),
    ("train_and_eval", BOTH),
    ("train_and_post_eval", BOTH),
  ],
)
def test_records_that_a_mode_reads_are_checked(monkeypatch, mode, paths):
  checked = []
  monkeypatch.setattr(launch.dataset_card, "check_files", lambda data: None)
  monkeypatch.setattr(
    launch.bad_records,
    "check_first_records",
    lambda rules: checked.append(rules.path),
  )
  launch.check_records(config_testing.changed(), mode)
  assert checked == paths
