# SPDX-License-Identifier: Apache-2.0
"""Tests of times that are those of steps timed in turns, worked out by hand."""

import types

import pytest

from tests import study_testing
from tests import testing
from token_dropping.study import runs
from token_dropping.study import step_times

_T = 10**12


def _run(variant: str, trunk: runs.Run | None = None, until: int = 0):
  params = types.SimpleNamespace(trainer=types.SimpleNamespace(train_steps=30))
  return runs.Run(variant, 1, "", params, {}, (), trunk, until)


def _table(**variants) -> dict:
  return {
    "machine": {"processor": "x"},
    "rounds": 3,
    "commit": "c",
    "date": "2026-11-29",
    "variants": {
      name: [
        {"multiply_adds": macs * _T, "seconds": seconds}
        for macs, seconds in points
      ]
      for name, points in variants.items()
    },
  }


def _result(macs: list[float]) -> dict:
  """Returns a result of 10, 20 and 30 steps with these multiply-adds."""
  result = study_testing.result("half", 1, [6.0, 5.0, 4.0])
  for point, value in zip(result["curve"], macs, strict=True):
    point["multiply_adds"] = value * _T
  return result


def _times(result: dict) -> list[float]:
  return [point["time"] for point in result["curve"]]


def test_a_training_takes_what_its_steps_do():
  # 10 steps of the trunk at 2 s, then 20 of its own at 1.25 s.
  run = _run("half", _run("dense", until=10))
  table = _table(dense=[(0.1, 2.0)], half=[(0.05, 1.25)])
  result = _result([1.0, 1.5, 2.0])
  timed = step_times.with_time(result, run, table)
  assert _times(timed) == pytest.approx([20.0, 32.5, 45.0])
  assert timed["step_time"] == 1.25
  assert timed["clock"] == {"processor": "x", "timed in turns": "2026-11-29"}
  assert [point["seconds"] for point in timed["curve"]] == [20, 40, 60]


def test_steps_between_those_timed_lie_on_a_line():
  # Steps of 0.1, 0.075 and 0.05: the second halfway between 2 s and 1 s.
  table = _table(half=[(0.1, 2.0), (0.05, 1.0)])
  timed = step_times.with_time(_result([1.0, 1.75, 2.25]), _run("half"), table)
  assert _times(timed) == pytest.approx([20.0, 35.0, 45.0])


def test_what_was_not_timed_has_its_own_time():
  table = _table(dense=[(0.1, 2.0)])
  timed = step_times.with_time(_result([1.0, 2.0, 3.0]), _run("half"), table)
  assert _times(timed) == [10.0, 20.0, 30.0]  # its CPU seconds
  assert timed["clock"] == timed["machine"]


def test_steps_of_another_cost_are_refused():
  table = _table(half=[(0.1, 2.0), (0.05, 1.0)])

  def time_it(last: float) -> None:
    step_times.with_time(_result([1.0, 1.5, last]), _run("half"), table)

  time_it(2.0 + 1e-9)
  assert testing.refused(time_it, 2.6) == (
    "step_times.json must have the steps of variant half as they are now; "
    "--time_steps measures them. Received: one of 1.1e+11 multiply-adds"
  )
  table["variants"]["half"].clear()
  message = testing.refused(time_it, 2.0)
  assert message.endswith("Received: one of 1e+11 multiply-adds")


def test_without_results_there_is_nothing_to_time():
  message = testing.refused(step_times.measure, [], 1)
  assert message.startswith("--time_steps must find results in --results_dir")


def test_variants_are_timed_once_with_those_they_went_on_from():
  dense = _run("dense", until=10)
  found = step_times.by_variant(
    [_run("half", dense), _run("half", dense), _run("dense", dense)]
  )
  assert [run.variant for run in found] == ["half", "dense"]
