# SPDX-License-Identifier: Apache-2.0
"""Tests of comparisons, worked out by hand."""

import pytest

from token_dropping.study import comparison


def _curve(losses, seconds_per_step=1.0) -> list[dict]:
  return [
    {
      "step": 10 * index,
      "loss": loss,
      "accuracy": 1 - loss / 10,
      "time": 10 * index * seconds_per_step,
      "seconds": 20 * index * seconds_per_step,
      "multiply_adds": 1000 * index,
    }
    for index, loss in enumerate(losses, 1)
  ]


def _result(variant, seed, losses, seconds_per_step=1.0) -> dict:
  return {
    "variant": variant,
    "seed": seed,
    "train_steps": 10 * len(losses),
    "curve": _curve(losses, seconds_per_step),
    "step_time": seconds_per_step,
    "train_loss": losses[-1],
    "kept_share": 0.5,
    "machine": {"processor": "x", "cores": 1, "memory_gib": 23.5},
  }


DENSE = [6.0, 4.0, 3.0]


def test_where_a_curve_reaches_a_loss():
  curve = _curve(DENSE)
  assert comparison.reach(curve, 7.0, "step") == 10
  assert comparison.reach(curve, 5.0, "step") == 15
  assert comparison.reach(curve, 3.25, "multiply_adds") == 2750
  assert comparison.reach(curve, 2.9, "step") is None


def test_the_first_time_counts():
  assert comparison.reach(_curve([6.0, 4.0, 5.0, 3.0]), 4.5, "step") == 17.5


def test_share_of_a_variant_that_stays_behind():
  # Half the time a step: 15 s for 3.5, where dense is after 25 s.
  behind = _curve([6.0, 4.5, 3.5], 0.5)
  assert comparison.share_of_dense(behind, _curve(DENSE), "time") == 0.6


def test_share_of_a_variant_that_gets_further():
  # 3.0 after 12.5 s of dense's 30 s.
  ahead = _curve([6.0, 3.5, 2.5], 0.5)
  share = comparison.share_of_dense(ahead, _curve(DENSE), "time")
  assert share == pytest.approx(12.5 / 30)


def test_rows():
  results = [
    _result("other", 1, [6.0, 4.5, 3.5], 0.5),
    _result("dense", 1, DENSE),
    _result("dense", 2, [6.0, 4.0, 2.0]),
  ]
  dense, other = comparison.compare(results, "dense", ["dense", "x", "other"])
  assert (dense["variant"], dense["seeds"]) == ("dense", [1, 2])
  assert dense["loss"] == (2.5, pytest.approx(0.5**0.5))
  assert dense["shares"]["step"] == (1.0, 0.0)
  assert other["seeds"] == [1]
  assert other["step_ratio"] == (0.5, None)
  assert other["shares"]["time"] == (0.6, None)
  assert other["to_dense_loss"]["step"] is None
  assert other["dense_to_loss"]["step"] == (25.0, None)
  assert other["dropped_loss"] is None and other["downstream"] is None


def test_without_dense_there_are_losses_alone():
  results = [_result("other", 1, DENSE)]
  (row,) = comparison.compare(results, "dense", ["dense", "other"])
  assert row["loss"] == (3.0, None)
  assert row["step_ratio"] is None and row["shares"]["step"] is None


def test_times_of_different_machines_are_not_compared():
  dense = _result("dense", 1, DENSE)
  other = _result("other", 1, [6.0, 4.5, 3.5], 0.5)
  other["machine"] = {"processor": "y", "cores": 1, "memory_gib": 23.5}
  _, row = comparison.compare([dense, other], "dense", ["dense", "other"])
  assert row["step_ratio"] is None
  assert row["shares"]["time"] is None
  assert row["shares"]["seconds"] is None
  assert row["dense_to_loss"]["time"] is None
  assert row["shares"]["multiply_adds"] == (1.2, None)
  assert row["time"] == (15.0, None)  # its own is known


@pytest.mark.parametrize(
  ("gpus", "times", "step_time"), [([], [1.0, 2.0], 0.1), (["x"], [3, 4], 0.2)]
)
def test_a_gpu_is_timed_by_the_wall_clock(gpus, times, step_time):
  clocks = zip([1.0, 2.0], [3.0, 4.0], strict=True)
  result = {
    "curve": [{"cpu_seconds": cpu, "seconds": wall} for cpu, wall in clocks],
    "machine": {"gpus": gpus},
    "step_cpu_seconds": 0.1,
    "step_seconds": 0.2,
  }
  timed = comparison.with_time(result)
  assert [point["time"] for point in timed["curve"]] == times
  assert timed["step_time"] == step_time


def test_memory_makes_no_other_machine():
  one, other = _result("dense", 1, DENSE), _result("other", 1, DENSE)
  other["machine"] = one["machine"] | {"memory_gib": 23.4}
  assert comparison.same_machine(one, other)
  other["machine"] = one["machine"] | {"cores": 2}
  assert not comparison.same_machine(one, other)
