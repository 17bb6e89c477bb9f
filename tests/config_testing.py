# SPDX-License-Identifier: Apache-2.0
"""Flags of the launcher and files of a config, for tests."""

import pathlib

import pytest
import yaml
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.training import config

RATE = "trainer.optimizer_config.learning_rate"
ENCODER = "task.model.encoder.any"


def flags(
  *files: str, override: str = "", experiment: str = "bert/token_drop", **values
) -> config.LaunchFlags:
  """Returns flags of the launcher, `--config_file` first."""
  return config.LaunchFlags(experiment, files, override, **values)


def parse(*files: str, **values) -> cfg.ExperimentConfig:
  """Returns the experiment of such flags."""
  return config.parse(flags(*files, **values))


def write_file(
  folder: pathlib.Path, text: str, name: str = "experiment.yaml"
) -> str:
  """Writes a file of a config; returns its path."""
  path = folder / name
  path.write_text(text, encoding="utf-8")
  return str(path)


def refused(values: config.LaunchFlags) -> str:
  """Returns the one line with which flags are refused."""
  with pytest.raises(errors.UserError) as caught:
    config.parse(values)
  message = str(caught.value)
  assert "\n" not in message
  return message


def nested(dotted: str, value) -> str:
  """Returns YAML of one value."""
  tree = value
  for key in reversed(dotted.split(".")):
    tree = {key: tree}
  return yaml.safe_dump(tree)
