# SPDX-License-Identifier: Apache-2.0
"""What each training step computes.

Steps are of a few kinds, of static shapes, each compiled once, as a branch.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator

import tensorflow as tf

from token_dropping.dropping import drop_plan
from token_dropping.dropping import keep_schedule


@dataclasses.dataclass(frozen=True)
class StepKind:
  """A pass by `plan`, and if `compared` a full one (`semantic_consistency`)."""

  plan: drop_plan.DropPlan
  compared: bool = False

  @property
  def plans(self) -> tuple[drop_plan.DropPlan, ...]:
    """What each pass of such a step drops."""
    full = keep_schedule.full_plan(self.plan)
    return (self.plan, full) if self.compared else (self.plan,)

  def layer_tokens(self, seq_length: int) -> int:
    """Returns how many tokens of one sequence the layers compute, summed.

    Only the longest pass of the step counts, with its last layer whole.

    >>> stages = (drop_plan.Stage(layer=5, keep_ratio=0.5),)
    >>> plan = drop_plan.DropPlan(12, stages, restore_layer=11)
    >>> StepKind(plan).layer_tokens(seq_length=512)  # 5 layers, 6 of half, 1
    4608
    """
    sizes = self.plans[-1].layer_sizes(seq_length)
    return seq_length + sum(queries for queries, _ in sizes)


@dataclasses.dataclass(frozen=True)
class StepSchedule:
  """The kinds of the steps of a training; steps count from 1.

  A step that drops nothing is not compared: both passes would be the same.

  >>> plan = drop_plan.DropPlan(12, (drop_plan.Stage(5),), restore_layer=11)
  >>> schedule = StepSchedule(
  ...   (keep_schedule.Phase(0, plan),), full_interval=4,
  ...   consistency_interval=10)
  >>> [(kind.plan.keep_counts(512), kind.compared, count)
  ...  for kind, count in schedule.counts(100).items()]
  [((256,), False, 70), ((512,), False, 25), ((256,), True, 5)]
  """

  phases: tuple[keep_schedule.Phase, ...]
  full_interval: int = 0  # multiples of it are full passes; 0: none
  consistency_interval: int = 0  # of the others those are compared; 0: none

  @property
  def kinds(self) -> tuple[StepKind, ...]:
    return tuple(
      dict.fromkeys(kind for phase in self.phases for kind in self._row(phase))
    )

  def counts(self, steps) -> dict:
    """Returns how many of the first `steps`, an int or a tensor, by kind."""
    counts = dict.fromkeys(self.kinds, 0)
    ends = [*(phase.first_step for phase in self.phases[1:]), None]
    for phase, end in zip(self.phases, ends, strict=True):
      last = _clip(steps, phase.first_step, end)
      for kind, count in self._split(phase, last):
        counts[kind] += count
    return counts

  def run(self, step: tf.Tensor, run: Callable):
    """Runs the step after `step` others; each kind is a branch of the graph.

    Shapes of what `run` returns for a kind must not depend on it.
    """
    kinds = self.kinds
    if len(kinds) == 1:
      return run(kinds[0])
    step = tf.cast(step, tf.int64)
    starts = tf.constant([phase.first_step for phase in self.phases], tf.int64)
    phase = tf.reduce_sum(tf.cast(step >= starts, tf.int32)) - 1
    table = tf.constant(
      [kinds.index(kind) for phase in self.phases for kind in self._row(phase)]
    )
    # Not `table[...]`: XLA compiles a slice anew for every place.
    branch = tf.gather(table, 3 * phase + self._column(step + 1))
    return tf.switch_case(branch, [functools.partial(run, k) for k in kinds])

  def _row(self, phase: keep_schedule.Phase) -> tuple[StepKind, ...]:
    """Returns a phase's kinds: of most steps, of full ones, compared ones."""
    plain = StepKind(phase.plan)
    full = compared = plain
    if self.full_interval:
      full = StepKind(keep_schedule.full_plan(phase.plan))
    if self.consistency_interval and phase.plan.drops:
      compared = StepKind(phase.plan, compared=True)
    return plain, full, compared

  def _column(self, number: tf.Tensor) -> tf.Tensor:
    """Returns the place in `_row` of the kind of a step, by its number."""
    column = tf.constant(0)
    intervals = (2, self.consistency_interval), (1, self.full_interval)
    for place, interval in intervals:
      if interval:
        column = tf.where(number % interval == 0, place, column)
    return column

  def _split(self, phase: keep_schedule.Phase, last) -> Iterator[tuple]:
    """Returns kinds and their numbers from the phase's first step to `last`."""
    first = phase.first_step

    def multiples(interval: int):
      return last // interval - first // interval if interval else 0

    full = multiples(self.full_interval)
    both = math.lcm(self.full_interval, self.consistency_interval)
    compared = multiples(self.consistency_interval) - multiples(both)
    counts = (last - first - full - compared, full, compared)
    return zip(self._row(phase), counts, strict=True)


def _clip(steps, first: int, end: int | None):
  """Limits a number of steps, an int or a tensor, to [first, end]."""
  if isinstance(steps, int):
    return max(first, steps if end is None else min(steps, end))
  steps = steps if end is None else tf.minimum(steps, tf.cast(end, steps.dtype))
  return tf.maximum(steps, tf.cast(first, steps.dtype))
