# SPDX-License-Identifier: Apache-2.0
"""Tests of who answers for a task."""

import dataclasses

import pytest
from official.core import config_definitions as cfg

from token_dropping.tasks import experiments
from token_dropping.tasks import hooks


@dataclasses.dataclass
class _Config(cfg.TaskConfig):
  """A new task."""


@dataclasses.dataclass
class _MoreConfig(_Config):
  """One that says nothing of its own."""


class _Hooks(hooks.TaskHooks):
  takes_pretrained = True


@pytest.fixture
def registered(monkeypatch):
  """Registers the new task for the time of a test."""
  for name in ("EXPERIMENTS", "_BY_CONFIG"):
    monkeypatch.setattr(hooks, name, dict(getattr(hooks, name)))
  hooks.register(_Config, _Hooks, "new/task")


def test_the_nearest_class_answers(registered):
  for task in (_Config(), _MoreConfig()):
    assert type(hooks.of(cfg.ExperimentConfig(task=task))) is _Hooks
  assert hooks.EXPERIMENTS["new/task"] is _Hooks


def test_a_task_that_says_nothing_is_left_alone():
  answers = hooks.of(cfg.ExperimentConfig(task=_Config()))
  assert type(answers) is hooks.TaskHooks
  answers.fill_in()
  answers.check()
  assert answers.summarize({"training_loss": 0.5}, {}, None) == [
    ("training", "loss 0.500")
  ]


def test_every_experiment_has_answers():
  for name, answers in hooks.EXPERIMENTS.items():
    assert type(experiments.hooks_of(experiments.get(name))) is answers
  assert experiments.NAMES[3:] == experiments.FINETUNING_NAMES
