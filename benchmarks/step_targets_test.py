# SPDX-License-Identifier: Apache-2.0
"""Tests of the targets, from measurements made by hand."""

import dataclasses

import pytest

from benchmarks import step_targets
from tests import step_testing

BASE = step_testing.BASE
NARROW = dataclasses.replace(BASE, width=256)


def _rows(results) -> list[list[str]]:
  """Returns bound, measured value and verdict, after width and batch."""
  lines = step_targets.table(results, max_spread=0.1).splitlines()[2:]
  return [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines]


def _add_all(results) -> None:
  step_testing.add_times(
    results,
    BASE,
    dense=[4.0] * 5,
    published=[3.0] * 5,
    ours=[2.5] * 5,
    torch=[6.0] * 5,
  )
  step_testing.add_times(results, NARROW, dense=[2.0] * 4, ours=[1.25] * 4)
  step_testing.add_alone(results, BASE, "dense", gib=4.0, sorting=0.25)
  step_testing.add_alone(results, BASE, "ours", gib=3.0, sorting=0.375)


def test_verdicts(tmp_path):
  results = step_testing.make_results(tmp_path)
  _add_all(results)
  assert _rows(results) == [
    ["768", "2", "≤ 0.65", "0.625", "met"],
    ["256", "2", "≤ 0.60", "0.625", "missed"],
    ["768", "2", "≤ 0.92", "0.833", "met"],
    ["768", "2", "≤ 0.02", "0.219", "missed"],  # 0.875 s of 4 s
    ["768", "2", "≤ 0.75", "0.750", "met"],
    ["768", "2", "≤ 0.75", "0.750", "met"],
    ["768", "2", "≥ 2.00", "2.400", "met"],
  ]


def test_noise_is_no_verdict(tmp_path):
  results = step_testing.make_results(tmp_path)
  loud = [1.0, 2.0, 3.0, 4.0, 5.0]
  step_testing.add_times(
    results, BASE, dense=loud, published=[3.0] * 5, ours=[2.5] * 5
  )
  rows = _rows(results)
  assert rows[0][-1] == "too noisy to tell (spread 0.667, bound 0.1)"
  assert rows[2][-1] == "met"  # does not rest on the dense times


def test_few_rounds_are_no_verdict(tmp_path):
  results = step_testing.make_results(tmp_path)
  step_testing.add_times(results, BASE, dense=[4.0], ours=[1.0])
  assert _rows(results)[0][-1] == "too few rounds to tell (at least 4)"


@pytest.mark.parametrize(
  "change",
  [
    {"num_layers": 4},
    {"vocab_size": 1000},
    {"seq_length": 128},
    {"keep_ratio": 0.25},
    {"xla": False},
    {"dtype": "bfloat16"},
    {"width": 512},
  ],
)
def test_other_conditions_say_nothing_about_targets(tmp_path, change):
  results = step_testing.make_results(tmp_path)
  case = dataclasses.replace(BASE, **change)
  step_testing.add_times(results, case, dense=[4.0] * 4, ours=[1.0] * 4)
  assert {row[-1] for row in _rows(results)} == {"not measured"}


def test_every_batch_size_has_a_row(tmp_path):
  results = step_testing.make_results(tmp_path)
  for batch_size in (2, 8):
    case = dataclasses.replace(BASE, batch_size=batch_size)
    step_testing.add_times(results, case, dense=[4.0] * 4, ours=[2.0] * 4)
  assert [row[:2] for row in _rows(results)[:2]] == [["768", "2"], ["768", "8"]]
