# SPDX-License-Identifier: Apache-2.0
"""Pictures of what is saved beside what could be saved."""

import collections
import pathlib

from matplotlib import figure

from benchmarks import step_case
from benchmarks import step_report
from benchmarks import step_results

COLORS = {
  step_case.DENSE: "tab:gray",
  step_case.PUBLISHED: "tab:orange",
  step_case.OURS: "tab:blue",
  step_case.OURS_DENSE: "tab:cyan",
  step_case.RECOMMENDED: "tab:purple",
  step_case.LAYERWISE: "tab:green",
  step_case.MODERN_DENSE: "tab:olive",
  step_case.MODERN: "tab:brown",
  step_case.TORCH: "tab:red",
  step_case.TORCH_EVERYWHERE: "tab:pink",
}
# What a picture varies along x, and the name of that axis.
_AXES = {"keep_ratio": "share of kept tokens", "seq_length": "sequence length"}


def draw(results: step_results.Results, folder: str) -> list[str]:
  """Draws step time over a dense one's by kept tokens and sequence length.

  A picture for each numeric type, XLA or not, and axis; in it a panel for what
  was measured at two places or more. Dashed lines are the cost model's.
  """
  groups = collections.defaultdict(list)
  for case in results.cases():
    if results.times(case):
      groups[case.dtype, case.xla].append(case)
  names = []
  for (dtype, xla), cases in sorted(groups.items()):
    for field in _AXES:
      panels = _panels(field, cases)
      if panels:
        name = f"step_time_{dtype}_{'xla' if xla else 'no_xla'}_{field}"
        picture = _picture(results, field, panels)
        picture.suptitle(f"{dtype}, XLA {'on' if xla else 'off'}")
        for kind in ("png", "svg"):
          picture.savefig(pathlib.Path(folder, f"{name}.{kind}"), dpi=100)
        names.append(f"{name}.png")
  return names


def _panels(field: str, cases: list) -> dict[str, list]:
  """Returns cases by what is equal in a panel, its title."""
  panels = collections.defaultdict(list)
  for case in sorted(cases, key=lambda case: getattr(case, field)):
    equal = f"S = {case.seq_length}, B = {case.batch_size}"
    if field == "seq_length":
      tokens = case.seq_length * case.batch_size
      equal = f"keep {case.keep_ratio:g}, {tokens:,} tokens a step"
    title = f"{case.network}, {equal}, dropout {case.dropouts}"
    panels[title].append(case)
  return {
    title: inside
    for title, inside in panels.items()
    if len({getattr(case, field) for case in inside}) > 1
  }


def _picture(
  results: step_results.Results, field: str, panels: dict[str, list]
) -> figure.Figure:
  columns = min(3, len(panels))
  rows = -(-len(panels) // columns)
  picture = figure.Figure((5.5 * columns, 4 * rows), layout="constrained")
  axes = picture.subplots(rows, columns, squeeze=False).flat
  for panel, (title, cases) in zip(axes, panels.items(), strict=False):
    panel.set_title(title, fontsize="medium")
    panel.set_xlabel(_AXES[field])
    panel.set_ylabel("step time / dense")
    _draw_lines(panel, results, field, cases)
    panel.set_xticks([getattr(case, field) for case in cases])
    panel.set_ylim(bottom=0)
  for panel in list(axes)[len(panels) :]:
    panel.set_visible(False)
  picture.axes[0].legend(fontsize="small")
  return picture


def _draw_lines(
  panel, results: step_results.Results, field: str, cases: list
) -> None:
  for name, color in COLORS.items():
    measured = [case for case in cases if name in results.times(case)]
    places = [getattr(case, field) for case in measured]
    times = [results.times(case) for case in measured]
    bases = [step_case.compared_with(t) for t in times]
    ratios = [
      t[name].median / t[base].median
      for t, base in zip(times, bases, strict=True)
    ]
    label = step_report.NAMES[name]
    panel.plot(places, ratios, "o-", color=color, label=label)
    macs = [
      case.mac_ratio(name, base)
      for case, base in zip(measured, bases, strict=True)
    ]
    panel.plot(places, macs, "--", color=color)
