# SPDX-License-Identifier: Apache-2.0
"""Pictures of what a step takes of time and memory, by the sequence length."""

import collections
import dataclasses
import pathlib

from matplotlib import figure

from benchmarks import step_case
from benchmarks import step_plots
from benchmarks import step_report
from benchmarks import step_results

_GIB = 2**30
_STYLES = ("-", "--", ":", "-.")  # of shares of kept tokens, from the largest


def draw(results: step_results.Results, folder: str) -> list[str]:
  """Draws seconds and memory of a step where several lengths were measured.

  A picture for all cases that differ in length and kept share alone.
  """
  groups = collections.defaultdict(list)
  for case in results.cases():
    groups[dataclasses.replace(case, seq_length=1, keep_ratio=1.0)].append(case)
  names = []
  for cases in groups.values():
    if len({case.seq_length for case in cases}) > 1:
      names.append(f"by_length_{len(names) + 1}.svg")
      picture = _picture(results, cases)
      picture.savefig(pathlib.Path(folder, names[-1]))
  return names


def _picture(
  results: step_results.Results, cases: list[step_case.Case]
) -> figure.Figure:
  case, *_ = cases
  picture = figure.Figure((11, 4), layout="constrained")
  title = f"{case.network}, B = {case.batch_size}, {case.dtype}"
  picture.suptitle(f"{title}, XLA {'on' if case.xla else 'off'}")
  panels = picture.subplots(1, 2)
  lengths = sorted({case.seq_length for case in cases})
  for panel, label in zip(
    panels, ("seconds a step", "memory of a step, GiB"), strict=True
  ):
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xticks(lengths, [f"{length:,}" for length in lengths])
    panel.set_xlabel("sequence length")
    panel.set_ylabel(label)
  ratios = sorted({case.keep_ratio for case in cases}, reverse=True)
  for name, color in step_plots.COLORS.items():
    drops = name in step_case.DROPPING
    shares = [[ratio] for ratio in ratios] if drops else [ratios]
    for style, kept in zip(_STYLES, shares, strict=False):
      same = [case for case in cases if case.keep_ratio in kept]
      keeps = f", keep {kept[0]:g}" if drops else ""
      options = {"color": color, "label": step_report.NAMES[name] + keeps}
      _draw_line(panels[0], _seconds(results, same, name), style, options)
      _draw_line(panels[1], _memory(results, same, name), style, options)
  panels[0].legend(fontsize="small")
  return picture


def _draw_line(panel, points: dict[int, float], style: str, options) -> None:
  if points:
    places = sorted(points)
    values = [points[place] for place in places]
    panel.plot(places, values, f"o{style}", **options)


def _seconds(results, cases, name: str) -> dict[int, float]:
  """Returns the median time of a contender's step by length."""
  times = [(case.seq_length, results.times(case)) for case in cases]
  return {
    length: found[name].median for length, found in times if name in found
  }


def _memory(results, cases, name: str) -> dict[int, float]:
  """Returns what comes and goes with a contender's step, in GiB, by length."""
  taken = [(case.seq_length, results.alone(case, name)) for case in cases]
  return {length: found["step"] / _GIB for length, found in taken if found}
