# SPDX-License-Identifier: Apache-2.0
"""Tests of who answers for a task."""

import dataclasses

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


def test_the_nearest_class_answers(monkeypatch):
  for name in ("EXPERIMENTS", "_BY_CONFIG"):
    monkeypatch.setattr(hooks, name, dict(getattr(hooks, name)))
  tasks = [cfg.ExperimentConfig(task=t) for t in (_Config(), _MoreConfig())]
  plain = hooks.of(tasks[0])  # of a task that says nothing
  assert type(plain) is hooks.TaskHooks
  plain.fill_in()
  plain.check()
  assert plain.summarize({}, {}, None) == []
  loss, best = {"validation_loss": 0.75}, {"validation_loss": 0.5}
  assert plain.summarize(
    {"training_loss": 0.5}, loss, {"scores": best, "step": 1200}
  ) == [
    ("training", "loss 0.500"),
    ("validation", "loss 0.750"),
    ("best", "loss 0.500  (step 1,200)"),
  ]
  hooks.register(_Config, _Hooks, "new/task")
  assert [type(hooks.of(task)) for task in tasks] == [_Hooks, _Hooks]
  assert hooks.EXPERIMENTS["new/task"] is _Hooks


def test_every_experiment_has_answers():
  for name, answers in hooks.EXPERIMENTS.items():
    assert type(experiments.hooks_of(experiments.get(name))) is answers
  ends = "_glue", "_squad"
  wanted = tuple(name for name in experiments.NAMES if name.endswith(ends))
  assert wanted == experiments.FINETUNING_NAMES
