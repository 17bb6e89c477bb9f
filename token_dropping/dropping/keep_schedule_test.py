# SPDX-License-Identifier: Apache-2.0
"""Tests of the keep-ratio schedule: phases by hand, every refusal."""

import pytest

from tests import drops_testing
from tests import testing
from token_dropping.dropping import keep_schedule

PLAN = drops_testing.make_plan(12)
DENSE = drops_testing.make_plan(12, token_keep_ratio=1.0)
STAGES = drops_testing.make_plan(
  12, stages=[{"layer": 3, "keep_ratio": 0.75}, {"layer": 6, "keep_ratio": 0.5}]
)


def _step(step: int, *keep_ratios: float) -> dict:
  return {"step": step, "keep_ratios": keep_ratios}


def _counts(plan=PLAN, **fields) -> list[tuple]:
  """Returns first step and kept positions of 64 of each phase."""
  fields = {"train_steps": 100} | fields
  phases = keep_schedule.phases(
    keep_schedule.KeepScheduleConfig(**fields), plan
  )
  return [(phase.first_step, phase.plan.keep_counts(64)) for phase in phases]


def test_constant():
  assert _counts() == [(0, (32,))]
  counts = drops_testing.make_plan(12, token_keep_k=9)
  assert _counts(counts) == [(0, (9,))]


def test_linear_is_equal_parts_from_the_own_ratios_to_the_last():
  found = _counts(STAGES, type="linear", num_ratios=3)
  assert found == [(0, (48, 32)), (33, (56, 48)), (67, (64, 64))]
  found = _counts(type="linear", num_ratios=2, final_keep_ratio=0.25)
  assert found == [(0, (32,)), (50, (16,))]


def test_steps():
  steps = [_step(10, 0.75, 0.25), _step(90, 1.0, 1.0)]
  found = _counts(STAGES, type="steps", steps=steps)
  assert found == [(0, (48, 32)), (10, (48, 16)), (90, (64, 64))]


def test_full_last_steps_cut_the_schedule():
  assert _counts(full_last_steps=0.1) == [(0, (32,)), (90, (64,))]
  found = _counts(type="linear", num_ratios=3, full_last_steps=0.5)
  assert found == [(0, (32,)), (33, (48,)), (50, (64,))]


def test_equal_neighbours_are_one_phase():
  assert _counts(type="steps", steps=[_step(10, 0.5)]) == [(0, (32,))]


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    (
      {"type": "cosine"},
      "type must be one of constant, linear, steps. {} cosine",
    ),
    ({"full_last_steps": 1.0}, "full_last_steps must be in [0, 1). {} 1.0"),
    ({"full_interval": 1}, "full_interval must be 0 or at least 2. {} 1"),
    ({"full_interval": -4}, "full_interval must be 0 or at least 2. {} -4"),
    (
      {"full_last_steps": 0.1, "train_steps": 0},
      "train_steps must be at least 1. {} 0",
    ),
    # Also where the type has no use for it.
    *(
      (
        {"type": kind, "final_keep_ratio": 1.5},
        "final_keep_ratio must be in (0, 1]. {} 1.5",
      )
      for kind in ("linear", "constant")
    ),
    *(
      (
        {"type": "linear", "num_ratios": count},
        f"num_ratios must be in [2, 1000]. {{}} {count}",
      )
      for count in (1, 1001)
    ),
    (
      {"type": "constant", "train_steps": -1},
      "train_steps must be at least 0. {} -1",
    ),
    ({"steps": []}, "steps must be a list of 1 to 1000. {} 0"),
    ({"steps": [_step(0, 1.0)]}, "steps[0].step must be above 0. {} 0"),
    (
      {"steps": [_step(9, 1.0, 0.5)]},
      "steps[0].keep_ratios must have one ratio for each of the 1 stages. "
      "{} [1.0, 0.5]",
    ),
    (
      {"steps": [_step(9, 0.0)]},
      "steps[0].keep_ratios must be in (0, 1]. {} 0.0",
    ),
    (
      {"plan": STAGES, "steps": [_step(9, 0.5, 0.75)]},
      "steps[0].keep_ratios must not grow from stage to stage. {} [0.5, 0.75]",
    ),
    *(
      (
        {"plan": plan, "type": "linear"},
        "type must be constant, and full_last_steps 0, unless the encoder has "
        "keep ratios and layers that they are for. {} linear, 0.0",
      )
      for plan in (drops_testing.make_plan(12, token_keep_k=9), DENSE)
    ),
    (
      {"plan": DENSE, "full_interval": 4},
      "full_interval must be 0 unless the encoder drops tokens. {} 4",
    ),
  ],
)
def test_wrong_values_are_refused(fields, message):
  if "steps" in fields:
    fields = fields | {"type": "steps"}
  found = testing.refused(_counts, **fields)
  assert found == message.format("Received:")


def test_linear_schedule_grows_as_random_ltd_does():
  """MSLG: in equal steps of length, each as long, up to the whole sequence.

  Yao et al., arXiv 2211.11586, where DeepSpeed's settings are a first length,
  the length's step and the training steps until it is full.
  """
  start, length, growth = 16, 64, 4
  plan = drops_testing.make_plan(12, token_keep_ratio=start / length)
  ratios = (length - start) // growth + 1
  found = _counts(plan, type="linear", num_ratios=ratios, train_steps=1300)
  assert found == [
    (100 * index, (start + growth * index,)) for index in range(ratios)
  ]
