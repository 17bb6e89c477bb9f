# SPDX-License-Identifier: Apache-2.0
"""Tests of the schedule of steps: kinds and counts by hand, the branches."""

import pytest
import tensorflow as tf

from tests import drops_testing
from token_dropping.dropping import keep_schedule
from token_dropping.dropping import step_schedule

HALF = drops_testing.make_plan(12)
FULL = keep_schedule.full_plan(HALF)
MORE = HALF.with_ratios([0.75])
PHASES = tuple(
  keep_schedule.Phase(step, plan)
  for step, plan in ((0, HALF), (5, MORE), (9, HALF), (13, FULL))
)
SCHEDULES = {
  "phases": step_schedule.StepSchedule(PHASES),
  "full": step_schedule.StepSchedule(PHASES, full_interval=3),
  "compared": step_schedule.StepSchedule(PHASES, consistency_interval=2),
  "both": step_schedule.StepSchedule(PHASES, 3, consistency_interval=2),
}
STEPS = 18


def _kind_by_hand(schedule, number: int) -> step_schedule.StepKind:
  """Returns the kind of a step by its number, from 1."""
  plan = [p.plan for p in PHASES if p.first_step < number][-1]
  if schedule.full_interval and number % schedule.full_interval == 0:
    return step_schedule.StepKind(FULL)
  interval = schedule.consistency_interval
  compared = bool(interval) and number % interval == 0 and plan != FULL
  return step_schedule.StepKind(plan, compared)


@pytest.mark.parametrize(
  ("name", "compiled"), [*((name, False) for name in SCHEDULES), ("both", True)]
)
def test_every_step_is_of_its_kind(name, compiled):
  schedule = SCHEDULES[name]
  kinds, traced = schedule.kinds, []

  def run(kind):
    traced.append(kind)
    return tf.constant(kinds.index(kind))

  @tf.function(jit_compile=compiled)
  def follow(step):
    return schedule.run(step, run)

  found = [
    kinds[int(follow(tf.constant(step, tf.int64)))] for step in range(STEPS)
  ]
  assert found == [_kind_by_hand(schedule, n + 1) for n in range(STEPS)]
  assert sorted(map(str, traced)) == sorted(map(str, kinds))  # each once


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_counts_are_those_of_the_steps(schedule):
  for steps in range(STEPS + 1):
    by_hand = [_kind_by_hand(schedule, n + 1) for n in range(steps)]
    expected = {kind: by_hand.count(kind) for kind in schedule.kinds}
    assert schedule.counts(steps) == expected
    counted = schedule.counts(tf.constant(steps, tf.int64))
    assert {kind: int(n) for kind, n in counted.items()} == expected


def test_one_kind_is_no_branch():
  schedule = step_schedule.StepSchedule(PHASES[:1])
  graph = tf.function(
    lambda step: schedule.run(step, lambda _: step + 1)
  ).get_concrete_function(tf.TensorSpec([], tf.int64))
  assert "Case" not in {op.type for op in graph.graph.get_operations()}
