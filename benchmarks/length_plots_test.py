# SPDX-License-Identifier: Apache-2.0
"""Tests of the pictures by length, on hand-made measurements."""

import dataclasses

from benchmarks import length_plots
from benchmarks import step_case
from tests import step_testing


def _results(folder):
  results = step_testing.make_results(folder)
  for length in (512, 1024):
    for ratio in (0.5, 0.25):
      case = dataclasses.replace(
        step_testing.BASE, seq_length=length, keep_ratio=ratio
      )
      seconds = {"modernbert": [ratio * length / 512]}
      # The longer one does not fit; nothing is dropped in it, so one is enough.
      if (length, ratio) == (512, 0.5):
        seconds["dense"] = [4.0]
      step_testing.add_times(results, case, **seconds)
      step_testing.add_alone(results, case, step_case.MODERN, 4 * ratio)
  return results


def test_lines(tmp_path):
  results = _results(tmp_path)
  assert length_plots.draw(results, str(tmp_path)) == ["by_length_1.svg"]
  assert "<svg" in (tmp_path / "by_length_1.svg").read_text()
  panels = length_plots._picture(results, results.cases()).axes
  time, memory = (
    {line.get_label(): line.get_xydata().tolist() for line in panel.lines}
    for panel in panels
  )
  half, quarter = (
    f"ModernBERT, as recommended, keep {ratio}" for ratio in (0.5, 0.25)
  )
  assert time == {
    "BERT (Model Garden)": [[512, 4.0]],
    half: [[512, 0.5], [1024, 1.0]],
    quarter: [[512, 0.25], [1024, 0.5]],
  }
  assert memory == {
    half: [[512, 1.0], [1024, 1.0]],
    quarter: [[512, 0.5], [1024, 0.5]],
  }


def test_one_length_makes_no_picture(tmp_path):
  results = step_testing.make_results(tmp_path)
  step_testing.add_times(results, step_testing.BASE, dense=[1.0])
  assert length_plots.draw(results, str(tmp_path)) == []
