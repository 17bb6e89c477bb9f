# SPDX-License-Identifier: Apache-2.0
"""How many tokens stay in the course of training."""

import dataclasses
import itertools

from official.modeling.hyperparams import base_config

from token_dropping.common import errors
from token_dropping.dropping import drop_plan

# The types, and the fields that each of them alone reads.
TYPES = {
  "constant": (),
  "linear": ("final_keep_ratio", "num_ratios"),
  "steps": ("steps",),
}
MOST_RATIOS = 1000  # each has a graph of its own


@dataclasses.dataclass
class KeepStep(base_config.Config):
  """From a training step on, other ratios, one for each stage."""

  step: int = 0
  keep_ratios: tuple[float, ...] = ()


@dataclasses.dataclass
class KeepScheduleConfig(base_config.Config):
  """The keep ratios over training; they begin with those of the encoder.

  Attributes:
    type: `constant`; `linear`, in `num_ratios` (2 to 1,000) equal parts of the
      training up to `final_keep_ratio` of all stages (as the kept length of
      random-LTD grows, arXiv 2211.11586); or `steps`, which are listed by step.
    full_last_steps: share of training, at its end, in which nothing is dropped.
    full_interval: every so many steps nothing is dropped; 0 means never.
    train_steps: how long training is; 0 means `trainer.train_steps`.
  """

  type: str = "constant"
  final_keep_ratio: float = 1.0
  num_ratios: int = 4
  steps: list[KeepStep] = dataclasses.field(default_factory=list)
  full_last_steps: float = 0.0
  full_interval: int = 0
  train_steps: int = 0

  @property
  def changes(self) -> bool:
    """Whether the ratios depend on how much of the training is done."""
    return self.type != "constant" or self.full_last_steps > 0

  @property
  def unread(self) -> list[str]:
    """The fields that are set, and that its type does not read."""
    default = KeepScheduleConfig()
    return [
      name
      for kind, names in TYPES.items()
      for name in names
      if kind != self.type and getattr(self, name) != getattr(default, name)
    ]


@dataclasses.dataclass(frozen=True)
class Phase:
  """A part of training: the number of steps done before it, and its plan."""

  first_step: int
  plan: drop_plan.DropPlan


def phases(
  config: KeepScheduleConfig, plan: drop_plan.DropPlan
) -> tuple[Phase, ...]:
  """Returns the parts of training from the encoder's plan on, or a `UserError`.

  They are ordered by first step; neighbours differ.

  >>> plan = drop_plan.DropPlan(12, (drop_plan.Stage(5),), restore_layer=11)
  >>> config = KeepScheduleConfig(
  ...   type="linear", num_ratios=3, train_steps=90, full_last_steps=0.1)
  >>> [(phase.first_step, phase.plan.keep_counts(512))
  ...  for phase in phases(config, plan)]
  [(0, (256,)), (30, (384,)), (60, (512,))]
  """
  _check_schedule(config, plan)
  parts = [Phase(0, plan)]
  if config.type == "linear":
    parts += _linear(config, plan)
  if config.type == "steps":
    for change in config.steps:
      parts.append(Phase(change.step, plan.with_ratios(change.keep_ratios)))
  if config.full_last_steps:
    first = round(config.train_steps * (1 - config.full_last_steps))
    parts = [phase for phase in parts if phase.first_step < first]
    parts.append(Phase(first, full_plan(plan)))
  by_plan = itertools.groupby(parts, key=lambda phase: phase.plan)
  return tuple(next(equal) for _, equal in by_plan)


def full_plan(plan: drop_plan.DropPlan) -> drop_plan.DropPlan:
  """Returns the plan with all tokens kept."""
  return plan.with_ratios([1.0] * len(plan.stages))


def _linear(config: KeepScheduleConfig, plan: drop_plan.DropPlan):
  last, count = config.final_keep_ratio, config.num_ratios
  for index in range(1, count):
    done = index / (count - 1)
    first = round(config.train_steps * index / count)
    own = (stage.keep_ratio for stage in plan.stages)
    ratios = [ratio * (1 - done) + last * done for ratio in own]
    yield Phase(first, plan.with_ratios(ratios))


def _check_schedule(config: KeepScheduleConfig, plan) -> None:
  kind, interval = config.type, config.full_interval
  share, steps = config.full_last_steps, config.train_steps
  errors.require(kind in TYPES, f"type must be one of {', '.join(TYPES)}", kind)
  errors.require(0 <= share < 1, "full_last_steps must be in [0, 1)", share)
  rule = "full_interval must be 0 or at least 2"
  errors.require(interval == 0 or interval >= 2, rule, interval)
  rule = "full_interval must be 0 unless the encoder drops tokens"
  errors.require(plan.stages or not interval, rule, interval)
  drop_plan.check_ratio(config.final_keep_ratio, "final_keep_ratio")
  count = config.num_ratios
  rule = f"num_ratios must be in [2, {MOST_RATIOS}]"
  errors.require(2 <= count <= MOST_RATIOS, rule, count)
  errors.require(steps >= 0, "train_steps must be at least 0", steps)
  if not config.changes:
    return
  ratios = [stage.keep_ratio for stage in plan.stages]
  unless = "unless the encoder has keep ratios and layers that they are for"
  rule = f"type must be constant, and full_last_steps 0, {unless}"
  errors.require(ratios and None not in ratios, rule, f"{kind}, {share}")
  errors.require(steps >= 1, "train_steps must be at least 1", steps)
  if kind == "steps":
    _check_steps(config.steps, len(plan.stages))


def _check_steps(steps: list[KeepStep], stages: int) -> None:
  rule = f"steps must be a list of 1 to {MOST_RATIOS}"
  errors.require(0 < len(steps) <= MOST_RATIOS, rule, len(steps))
  before = 0
  for index, change in enumerate(steps):
    step, ratios = change.step, list(change.keep_ratios)
    name = f"steps[{index}].keep_ratios"
    rule = f"steps[{index}].step must be above {before}"
    errors.require(step > before, rule, step)
    rule = f"{name} must have one ratio for each of the {stages} stages"
    errors.require(len(ratios) == stages, rule, ratios)
    for ratio in ratios:
      drop_plan.check_ratio(ratio, name)
    rule = f"{name} must not grow from stage to stage"
    errors.require(ratios == sorted(ratios, reverse=True), rule, ratios)
    before = step
