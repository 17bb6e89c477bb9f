# SPDX-License-Identifier: Apache-2.0
"""Flags and files of a config, and the tiny experiment with changes."""

import copy
import functools
import pathlib

from official.core import config_definitions as cfg

from tests import testing
from token_dropping.common import config_overrides
from token_dropping.tasks import experiments
from token_dropping.training import config

RATE = "trainer.optimizer_config.learning_rate"
ENCODER = "task.model.encoder.any"
# For tests of rooms that may not import it.
check_experiment = config.check_experiment
find_doubts = config.find_doubts


def flags(
  *files: str, override: str = "", experiment: str = "bert/token_drop", **values
) -> config.LaunchFlags:
  """Returns flags of the launcher, `--config_file` first."""
  return config.LaunchFlags(experiment, files, override, **values)


def parse(*files: str, **values) -> cfg.ExperimentConfig:
  """Returns the experiment of such flags."""
  return config.parse(flags(*files, **values))


def refused(*files: str, **values) -> str:
  """Returns the one line with which such flags are refused."""
  return testing.refused(parse, *files, **values)


def write_file(
  folder: pathlib.Path, text: str, name: str = "experiment.yaml"
) -> str:
  """Writes a file of a config; returns its path."""
  path = folder / name
  path.write_text(text, encoding="utf-8")
  return str(path)


@functools.cache
def _defaults(name: str) -> cfg.ExperimentConfig:
  return experiments.get(name)  # Model Garden builds it slowly


def changed(changes: dict | None = None, name: str = "bert/token_drop"):
  """Returns the tiny experiment with some fields, by dotted path, changed."""
  params = copy.deepcopy(_defaults(name))
  trees = []
  for path, value in (changes or {}).items():
    for key in reversed(path.split(".")):
      value = {key: value}
    trees.append(value)
  tiny = testing.tiny(name)
  if name == "bert/pretraining":
    task = {key: tiny["task"][key] for key in ("train_data", "validation_data")}
    tiny = tiny | {"task": task}
  overrides = testing.merged(tiny, *trees)
  config_overrides.apply_overrides(params, overrides, source="test")
  return params


def check(changes: dict, name: str = "bert/token_drop") -> None:
  """Checks the changed experiment."""
  config.check_experiment(changed(changes, name))


def refused_changes(changes: dict, name: str = "bert/token_drop") -> str:
  """Returns the one line with which the changed experiment is refused."""
  return testing.refused(check, changes, name)
