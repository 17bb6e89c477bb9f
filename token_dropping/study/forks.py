# SPDX-License-Identifier: Apache-2.0
"""Where variants of a study part: trainings with a common beginning.

Small runs leave the unigram loss at other steps, by seed and by setting, which
moves where they end. Runs that part later show what a setting itself is worth.
"""

import dataclasses
from collections.abc import Mapping

from official.core import config_definitions as cfg

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.training import run_dir


@dataclasses.dataclass(frozen=True)
class Fork:
  """A training goes on from that of a variant, its own perhaps, at a step."""

  variant: str
  step: int

  def __post_init__(self):
    errors.require(self.step >= 1, "step must be at least 1", self.step)


def check(variants: Mapping, source: str) -> None:
  """Refuses forks from nothing, or from where the other one has not begun.

  So steps fall along every chain of forks, which therefore ends.
  """
  for name, variant in variants.items():
    fork, where = variant.fork, f"{source}: variants.{name}.fork"
    if fork is None:
      continue
    errors.require(
      fork.variant in variants,
      f"{where}.variant must be one of the variants"
      f"{config_overrides.nearest(fork.variant, variants)}",
      repr(fork.variant),
    )
    other = variants[fork.variant].fork
    own = other is None or other.variant == fork.variant
    least = 0 if own else other.step
    rule = f"{where}.step must be above that at which {fork.variant} itself "
    errors.require(fork.step > least, f"{rule}forks ({least})", fork.step)


def before(fork: Fork | None, end: int) -> Fork | None:
  """Returns the fork that a training begins with which ends at a step.

  A training that ends where its own variant forks is that beginning itself.
  """
  return fork if fork is not None and fork.step < end else None


def check_fit(
  fork: Fork, source: cfg.ExperimentConfig, params: cfg.ExperimentConfig
) -> None:
  """Refuses a fork whose two configs cannot be one training."""
  step = fork.step
  steps = source.trainer.train_steps
  rule = f"fork.step must be at most the steps of {fork.variant} ({steps})"
  errors.require(step <= steps, rule, step)
  steps = params.trainer.train_steps
  rule = f"fork.step must be below trainer.train_steps ({steps})"
  errors.require(step < steps, rule, step)
  interval = source.trainer.validation_interval
  rule = "fork.step must be a multiple of trainer.validation_interval "
  errors.require(step % interval == 0, f"{rule}({interval})", step)
  run_dir.check_network(
    source.task.model.as_dict(),
    params.task.model.as_dict(),
    "fork must be null, to train from the beginning, or of the same network; "
    f"{fork.variant} has",
  )
