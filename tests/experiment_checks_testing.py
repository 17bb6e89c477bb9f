# SPDX-License-Identifier: Apache-2.0
"""The tiny experiment with changes, and how it is refused, for tests."""

import pytest

from tests import testing
from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.tasks import experiments
from token_dropping.training import experiment_checks

# For tests of rooms that may not import it.
check_experiment = experiment_checks.check_experiment
find_doubts = experiment_checks.find_doubts


def _tree(dotted: str, value) -> dict:
  for key in reversed(dotted.split(".")):
    value = {key: value}
  return value


def params(changes: dict | None = None, name: str = "bert/token_drop"):
  """Returns the tiny experiment with some fields, by dotted path, changed."""
  config = experiments.get(name)
  trees = [_tree(path, value) for path, value in (changes or {}).items()]
  tiny = testing.TINY
  if name == "bert/pretraining":
    task = {key: tiny["task"][key] for key in ("train_data", "validation_data")}
    tiny = tiny | {"task": task}
  overrides = testing.merged(tiny, *trees)
  config_overrides.apply_overrides(config, overrides, source="test")
  return config


def check(changes: dict, name: str = "bert/token_drop") -> None:
  """Checks the changed experiment."""
  experiment_checks.check_experiment(params(changes, name))


def refused(changes: dict, name: str = "bert/token_drop") -> str:
  """Returns the line with which the changed experiment is refused."""
  with pytest.raises(errors.UserError) as caught:
    check(changes, name)
  return str(caught.value)
