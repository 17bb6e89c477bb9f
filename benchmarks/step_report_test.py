# SPDX-License-Identifier: Apache-2.0
"""Tests of the report and the plots, from measurements made by hand."""

import dataclasses

import pytest

from benchmarks import step_plots
from benchmarks import step_report
from tests import step_testing

BASE = step_testing.BASE
LARGE = dataclasses.replace(BASE, seq_length=2048)


@pytest.fixture
def empty(tmp_path):
  return step_testing.make_results(tmp_path)


@pytest.fixture
def results(empty):
  step_testing.add_times(empty, BASE, dense=[4.0] * 4, ours=[2.5] * 4)
  step_testing.add_alone(empty, BASE, "dense", gib=4.0)
  step_testing.add_alone(empty, BASE, "ours", gib=3.0)
  return empty


def test_report(results):
  report = step_report.format_report(results, 0.1, ["a.png"])
  assert "![Time and memory of a step](a.png)" in report
  assert f"    {step_testing.COMMAND}\n" in report
  assert "\nx86_64 Abacus, 2 cores, 16.0 GiB, Python 3.11.0" in report
  case = "| 12 x 768 | 512 | 2 | 0.5 | on | float32 | 0.1 | this project |"
  lines = report.splitlines()
  assert f"{case} 2.50 | 0.000 | 410 | 0.625 | 0.697 |  |" in lines
  assert f"{case} 3.00 | 0.750 | 1.50 | 0.750 |  | 60.0 |" in lines
  target = "| step time / dense BERT | 768 | 2 | ≤ 0.65 | 0.625 | met |"
  assert target in lines


def test_short_times_keep_their_digits_and_no_memory_is_said(empty):
  step_testing.add_times(empty, BASE, dense=[0.012345] * 4)
  report = step_report.format_report(empty, 0.1, [])
  assert "| 0.0123 |" in report
  assert report.count("Not measured.") == 1


def test_a_noisy_contender_makes_its_own_row_doubtful(results):
  step_testing.add_times(
    results, LARGE, dense=[4.0] * 4, ours=[2.5] * 4, published=[1, 2, 3, 4]
  )
  report = step_report.format_report(results, 0.1, [])
  rows = [line for line in report.splitlines() if "| 2048 |" in line]
  noisy = [row for row in rows if "too noisy" in row]
  assert len(rows) == 3
  assert [step_report.NAMES["published"] in row for row in noisy] == [True]


def test_noise_is_listed_by_case(results):
  assert step_report.noise_lines(results, 0.1) == []
  step_testing.add_times(results, LARGE, dense=[4.0])
  assert step_report.noise_lines(results, 0.1) == [
    f"{LARGE}: too few rounds to tell (at least 4)"
  ]


def test_a_picture_for_what_was_measured_at_two_places(results, tmp_path):
  for change in (
    {"xla": False},
    {"dtype": "bfloat16"},
    {"dtype": "bfloat16", "keep_ratio": 0.25},
    {"seq_length": 1024, "batch_size": 1},
  ):
    case = dataclasses.replace(BASE, **change)
    step_testing.add_times(results, case, dense=[4.0], ours=[3.0])
  names = step_plots.draw(results, str(tmp_path))
  assert names == [
    "step_time_bfloat16_xla_keep_ratio.png",
    "step_time_float32_xla_seq_length.png",
  ]
  for name in names:
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / name).with_suffix(".svg").read_text()


def test_lines_are_the_ratios(results):
  quarter = dataclasses.replace(BASE, keep_ratio=0.25)
  step_testing.add_times(results, quarter, dense=[4.0], ours=[1.0])
  panels = step_plots._panels("keep_ratio", [BASE, quarter])
  (axes,) = step_plots._picture(results, "keep_ratio", panels).axes
  lines = {line.get_label(): line for line in axes.lines}
  ours = lines["this project"]
  assert list(ours.get_xdata()) == [0.25, 0.5]
  assert list(ours.get_ydata()) == [0.25, 0.625]
  assert axes.get_title() == "12 x 768, S = 512, B = 2, dropout 0.1"
  macs = [list(line.get_ydata()) for line in axes.lines]
  assert [quarter.mac_ratio("ours"), BASE.mac_ratio("ours")] in macs


def test_modernbert_is_compared_with_its_own_dense_network(empty):
  seconds = {"modernbert_dense": [4.0] * 4, "modernbert": [1.0] * 4}
  step_testing.add_times(empty, BASE, **seconds)
  for name, gib in (("modernbert_dense", 2.0), ("modernbert", 1.0)):
    step_testing.add_alone(empty, BASE, name, gib)
  report = step_report.format_report(empty, 0.1, [])
  ratio = BASE.mac_ratio("modernbert", "modernbert_dense")
  assert f"| 1.00 | 0.000 | 1,024 | 0.250 | {ratio:.3f} |" in report
  assert "| ModernBERT, as recommended | 1.00 | 0.500 |" in report


def _rows(results) -> list[list[str]]:
  """Returns bound, measured value and verdict, after width and batch."""
  lines = step_report.target_table(results, max_spread=0.1).splitlines()[2:]
  return [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines]


def test_verdicts(results):
  times = {"dense": 4.0, "published": 3.0, "ours": 2.5, "torch": 6.0}
  step_testing.add_times(
    results, BASE, **{name: [time] * 5 for name, time in times.items()}
  )
  narrow = dataclasses.replace(BASE, width=256)
  step_testing.add_times(results, narrow, dense=[2.0] * 4, ours=[1.25] * 4)
  assert _rows(results) == [
    ["768", "2", "≤ 0.65", "0.625", "met"],
    ["256", "2", "≤ 0.60", "0.625", "missed"],
    ["768", "2", "≤ 0.92", "0.833", "met"],
    ["768", "2", "≤ 0.75", "0.750", "met"],
    ["768", "2", "≤ 0.75", "0.750", "met"],
  ]


def test_noise_is_no_verdict(empty):
  loud = [1.0, 2.0, 3.0, 4.0, 5.0]
  step_testing.add_times(
    empty, BASE, dense=loud, published=[3.0] * 5, ours=[2.5] * 5
  )
  rows = _rows(empty)
  assert rows[0][-1] == "too noisy to tell (spread 0.667, bound 0.1)"
  assert rows[2][-1] == "met"  # does not rest on the dense times


def test_other_conditions_say_nothing_about_targets(empty):
  for change in (
    *({"num_layers": 4}, {"vocab_size": 1000}, {"seq_length": 128}),
    *({"keep_ratio": 0.25}, {"xla": False}, {"dtype": "bfloat16"}),
    *({"width": 512}, {"norm_first": True}),
  ):
    case = dataclasses.replace(BASE, **change)
    step_testing.add_times(empty, case, dense=[4.0] * 4, ours=[1.0] * 4)
  assert {row[-1] for row in _rows(empty)} == {"not measured"}


def test_every_batch_size_has_a_row(results):
  case = dataclasses.replace(BASE, batch_size=8)
  step_testing.add_times(results, case, dense=[4.0] * 4, ours=[2.0] * 4)
  assert [row[:2] for row in _rows(results)[:2]] == [["768", "2"], ["768", "8"]]
