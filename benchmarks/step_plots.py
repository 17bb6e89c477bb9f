# SPDX-License-Identifier: Apache-2.0
"""Pictures of what is saved beside what could be saved."""

import collections
import dataclasses
import pathlib
from collections.abc import Callable

from matplotlib import figure

from benchmarks import step_case
from benchmarks import step_report
from benchmarks import step_results

_COLORS = {
  step_case.DENSE: "tab:gray",
  step_case.PUBLISHED: "tab:orange",
  step_case.OURS: "tab:blue",
  step_case.RECOMMENDED: "tab:purple",
  step_case.LAYERWISE: "tab:green",
  step_case.TORCH: "tab:red",
}


@dataclasses.dataclass(frozen=True)
class _Axis:
  """What a picture varies along x.

  Attributes:
    field: of a case.
    label: of the axis.
    panel: from a case to the title of its panel, of all that is equal there.
  """

  field: str
  label: str
  panel: Callable[[step_case.Case], str]

  def of(self, case: step_case.Case) -> float:
    """Returns where a case stands."""
    return getattr(case, self.field)


_AXES = (
  _Axis(
    "keep_ratio",
    "share of kept tokens",
    lambda case: (
      f"{case.network}, S = {case.seq_length}, B = {case.batch_size}, "
      f"dropout {case.dropout:g}"
    ),
  ),
  _Axis(
    "seq_length",
    "sequence length",
    lambda case: (
      f"{case.network}, keep {case.keep_ratio:g}, "
      f"{case.seq_length * case.batch_size:,} tokens a step, "
      f"dropout {case.dropout:g}"
    ),
  ),
)


def draw(results: step_results.Results, folder: str) -> list[str]:
  """Draws step time over dense BERT's against kept tokens and sequence length.

  One picture for each numeric type, with and without XLA, and axis; in it a
  panel for what was measured at two places or more. Lines are measured, dashed
  ones the cost model's.

  Args:
    results: the measurements.
    folder: where to write `.png` and `.svg`.

  Returns:
    Names of the PNG files.
  """
  groups = collections.defaultdict(list)
  for case in results.cases():
    if results.times(case):
      groups[case.dtype, case.xla].append(case)
  names = []
  for (dtype, xla), cases in sorted(groups.items()):
    for axis in _AXES:
      panels = _panels(axis, cases)
      if not panels:
        continue
      name = f"step_time_{dtype}_{'xla' if xla else 'no_xla'}_{axis.field}"
      picture = _picture(results, axis, panels)
      picture.suptitle(f"{dtype}, XLA {'on' if xla else 'off'}")
      for kind in ("png", "svg"):
        picture.savefig(pathlib.Path(folder, f"{name}.{kind}"), dpi=100)
      names.append(f"{name}.png")
  return names


def _panels(axis: _Axis, cases: list) -> dict[str, list]:
  """Returns the cases of each panel that has at least two places."""
  panels = collections.defaultdict(list)
  for case in sorted(cases, key=axis.of):
    panels[axis.panel(case)].append(case)
  return {
    title: found
    for title, found in panels.items()
    if len({axis.of(case) for case in found}) > 1
  }


def _picture(
  results: step_results.Results, axis: _Axis, panels: dict
) -> figure.Figure:
  columns = min(3, len(panels))
  rows = -(-len(panels) // columns)
  picture = figure.Figure((5.5 * columns, 4 * rows), layout="constrained")
  axes = picture.subplots(rows, columns, squeeze=False).flat
  for panel, (title, cases) in zip(axes, panels.items(), strict=False):
    panel.set_title(title, fontsize="medium")
    panel.set_xlabel(axis.label)
    panel.set_ylabel("step time / dense BERT")
    _lines(panel, results, axis, cases)
    panel.set_xticks([axis.of(case) for case in cases])
    panel.set_ylim(bottom=0)
  for panel in list(axes)[len(panels) :]:
    panel.set_visible(False)
  picture.axes[0].legend(fontsize="small")
  return picture


def _lines(
  panel, results: step_results.Results, axis: _Axis, cases: list
) -> None:
  for name, color in _COLORS.items():
    measured = [case for case in cases if name in results.times(case)]
    places = [axis.of(case) for case in measured]
    times = [results.times(case) for case in measured]
    panel.plot(
      places,
      [each[name].median / each[step_case.DENSE].median for each in times],
      "o-",
      color=color,
      label=step_report.NAMES[name],
    )
    macs = [case.mac_ratio(name) for case in measured]
    panel.plot(places, macs, "--", color=color)
