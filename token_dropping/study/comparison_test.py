# SPDX-License-Identifier: Apache-2.0
"""Tests of comparisons, worked out by hand."""

import pytest

from token_dropping.study import comparison

DENSE, BEHIND = [6.0, 4.0, 3.0], [6.0, 4.5, 3.5]
MACHINE = {"processor": "x", "cores": 1, "memory_gib": 23.5}


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


def _result(
  variant, seed, losses, seconds_per_step=1.0, downstream=(), **machine
) -> dict:
  return {
    "variant": variant,
    "seed": seed,
    "train_steps": 10 * len(losses),
    "curve": _curve(losses, seconds_per_step),
    "step_time": seconds_per_step,
    "train_loss": losses[-1],
    "kept_share": 0.5,
    "machine": MACHINE | machine,
    "clock": MACHINE | machine,
    "downstream": dict(downstream),
  }


@pytest.mark.parametrize(
  ("losses", "loss", "axis", "place"),
  [
    (DENSE, 7.0, "step", 10),
    (DENSE, 5.0, "step", 15),
    (DENSE, 3.25, "multiply_adds", 2750),
    (DENSE, 2.9, "step", None),
    ([6.0, 4.0, 5.0, 3.0], 4.5, "step", 17.5),  # the first time counts
  ],
)
def test_where_a_curve_reaches_a_loss(losses, loss, axis, place):
  assert comparison.reach(_curve(losses), loss, axis) == place


def test_shares_of_variants_that_stay_behind_or_get_further():
  # Half the time a step: 15 s for 3.5, where dense is after 25 s.
  dense, behind = _curve(DENSE), _curve(BEHIND, 0.5)
  assert comparison.share_of_dense(behind, dense, "time") == 0.6
  # 3.0 after 12.5 s of dense's 30 s.
  ahead = _curve([6.0, 3.5, 2.5], 0.5)
  share = comparison.share_of_dense(ahead, dense, "time")
  assert share == pytest.approx(12.5 / 30)


def test_rows():
  results = [
    _result("other", 1, BEHIND, 0.5),
    _result("dense", 1, DENSE),
    _result("dense", 2, [6.0, 4.0, 2.0]),
  ]
  dense, other = comparison.compare(results, "dense", ["dense", "x", "other"])
  assert (dense["variant"], dense["seeds"]) == ("dense", [1, 2])
  assert dense["loss"] == (2.5, pytest.approx(0.5**0.5))
  assert dense["shares"]["step"] == (1.0, 1.0, 1.0)
  assert dense["loss_difference"] == (0.0, 0.0, 0.0)
  assert other["seeds"] == [1]
  assert other["step_ratio"] == (0.5, None)
  assert other["loss_difference"] == (0.5, None, None)
  assert other["shares"]["time"] == (pytest.approx(0.6), None, None)
  assert other["dropped_loss"] is None and other["downstream"] == {}
  runs = comparison.compare_runs(results, "dense", ["dense", "other"])
  assert [(row["variant"], row["seeds"]) for row in runs] == [
    ("dense", [1]),
    ("dense", [2]),
    ("other", [1]),
  ]
  assert runs[2] == other


# Of three seeds Student's t is 4.302653 at 97.5 %, of two 12.706205.
def test_intervals():
  # Deviation 1, so that half of the interval is t / sqrt(3).
  mean, low, high = comparison.interval([1.0, 2.0, 3.0])
  assert (mean, high - mean, mean - low) == pytest.approx(
    (2.0, 4.302653 / 3**0.5, 4.302653 / 3**0.5)
  )
  # The logarithms are -log 2, 0 and log 2.
  mean, low, high = comparison.interval([0.5, 1.0, 2.0], ratios=True)
  half = 2 ** (4.302653 / 3**0.5)
  assert (mean, low, high) == pytest.approx((1.0, 1 / half, half))


def test_differences_are_those_of_equal_seeds():
  results = [
    _result("dense", 1, [6.0, 3.0]),
    _result("dense", 2, [6.0, 4.0]),
    _result("other", 1, [6.0, 3.5]),
    _result("other", 2, [6.0, 4.1]),
    _result("other", 3, [6.0, 9.0]),  # no dense run
  ]
  _, other = comparison.compare(results, "dense", ["dense", "other"])
  half = 12.706205 * 0.2
  assert other["loss_difference"] == pytest.approx(
    (0.3, 0.3 - half, 0.3 + half)
  )


def test_losses_at_equal_time():
  # Half the time a step: other ends after 15 s, where dense has 5.0, and 4.5.
  results = [
    _result("dense", 1, DENSE),
    _result("dense", 2, [6.0, 3.0, 2.0]),
    _result("other", 1, BEHIND, 0.5),
    _result("other", 2, BEHIND, 0.5),
    _result("once", 1, BEHIND),
  ]
  order = ["dense", "other", "once"]
  leads = comparison.compare_at_equal(results, order, "time")
  half = 12.706205 * 0.25
  expected = (-1.25, -1.25 - half, -1.25 + half)
  assert leads.keys() == {"dense", "other"}
  assert leads["other"]["dense"] == pytest.approx(expected)
  assert leads["dense"]["other"][0] == 1.25
  steps = comparison.compare_at_equal(results, order, "step")
  assert steps["other"]["dense"][0] == 1.0  # 0.5 and 1.5
  # It ends before the other's first evaluation.
  short = _curve([6.0], 0.5)
  assert comparison.lead(short, _curve(DENSE), "time") is None


def test_downstream_by_task():
  def scores(**tasks) -> dict:
    return {
      name: {"score": one, "deviation": d} for name, (one, d) in tasks.items()
    }

  results = [
    _result("dense", 1, DENSE, downstream=scores(a=(0.5, 0.3), b=(0.8, 0.0))),
    _result("dense", 2, DENSE),  # not fine-tuned yet
    _result("other", 1, DENSE, downstream=scores(a=(0.75, 0.1))),
    _result("other", 2, DENSE, downstream={"a": {"score": 0.25}}),
  ]
  dense, other = comparison.compare(results, "dense", ["dense", "other"])
  assert other["downstream"] == {
    "a": {
      "score": (0.5, pytest.approx(0.125**0.5)),
      "difference": (0.25, None, None),
      "deviation": (pytest.approx(0.1), None),
    }
  }
  assert dense["downstream"]["b"]["score"] == (0.8, None)
  _, other = comparison.compare(
    [_result("dense", 1, DENSE), *results[2:]], "dense", ["dense", "other"]
  )
  assert other["downstream"]["a"]["difference"] is None


def test_without_dense_there_are_losses_alone():
  results = [_result("other", 1, DENSE)]
  (row,) = comparison.compare(results, "dense", ["dense", "other"])
  assert row["loss"] == (3.0, None)
  assert row["step_ratio"] is None and row["shares"]["step"] is None


@pytest.mark.parametrize(
  ("machine", "timed"), [({"memory_gib": 23.4}, True), ({"cores": 2}, False)]
)
def test_times_of_different_machines_are_not_compared(machine, timed):
  other = _result("other", 1, BEHIND, 0.5, **machine)
  results = [_result("dense", 1, DENSE), other]
  _, row = comparison.compare(results, "dense", ["dense", "other"])
  assert row["step_ratio"] == ((0.5, None) if timed else None)
  known = [axis for axis, value in row["shares"].items() if value is not None]
  times = ["time", "seconds"] if timed else []
  assert known == ["step", *times, "multiply_adds"]
  assert row["shares"]["multiply_adds"][0] == pytest.approx(1.2)
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
  assert timed["clock"] == result["machine"]


def test_steps_timed_in_turns_are_compared_whatever_machine_trained():
  dense, other = _result("dense", 1, DENSE), _result("other", 1, BEHIND, 0.5)
  other["machine"] = MACHINE | {"cores": 2}
  _, row = comparison.compare([dense, other], "dense", ["dense", "other"])
  assert row["shares"]["time"][0] == pytest.approx(0.6)
  assert row["shares"]["seconds"] is None
