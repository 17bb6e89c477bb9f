# SPDX-License-Identifier: Apache-2.0
"""Pictures of what is saved beside what could be saved."""

import collections
import pathlib

from matplotlib import figure

from benchmarks import step_case
from benchmarks import step_report
from benchmarks import step_results

_COLORS = {
  step_case.DENSE: "tab:gray",
  step_case.PUBLISHED: "tab:orange",
  step_case.OURS: "tab:blue",
  step_case.TORCH: "tab:red",
}


def draw(results: step_results.Results, folder: str) -> list[str]:
  """Draws step time over dense BERT against the share of kept tokens.

  One picture for each numeric type with and without XLA, in it a panel for
  each network, sequence length, batch size and dropout. Lines are measured,
  dashed ones the cost model's.

  Args:
    results: the measurements.
    folder: where to write `.png` and `.svg`.

  Returns:
    Names of the PNG files.
  """
  groups = collections.defaultdict(lambda: collections.defaultdict(list))
  for case in results.cases():
    if results.times(case):
      sizes = case.seq_length, case.batch_size
      panel = (case.network, *sizes, f"{case.dropout:g}")
      groups[case.dtype, case.xla][panel].append(case)
  names = []
  for (dtype, xla), panels in sorted(groups.items()):
    name = f"step_time_{dtype}_{'xla' if xla else 'no_xla'}"
    picture = _picture(results, panels)
    picture.suptitle(f"{dtype}, XLA {'on' if xla else 'off'}")
    for kind in ("png", "svg"):
      picture.savefig(pathlib.Path(folder, f"{name}.{kind}"), dpi=120)
    names.append(f"{name}.png")
  return names


def _picture(results: step_results.Results, panels: dict) -> figure.Figure:
  columns = min(4, len(panels))
  rows = -(-len(panels) // columns)
  picture = figure.Figure((4 * columns, 3.5 * rows), layout="constrained")
  axes = picture.subplots(rows, columns, squeeze=False).flat
  for panel, (title, cases) in zip(axes, panels.items(), strict=False):
    panel.set_title("{}, S = {}, B = {}, dropout {}".format(*title))
    panel.set_xlabel("share of kept tokens")
    panel.set_ylabel("step time / dense BERT")
    _lines(panel, results, sorted(cases, key=lambda case: case.keep_ratio))
    panel.set_ylim(bottom=0)
  for panel in list(axes)[len(panels) :]:
    panel.set_visible(False)
  picture.axes[0].legend(fontsize="small")
  return picture


def _lines(panel, results: step_results.Results, cases: list) -> None:
  for name, color in _COLORS.items():
    measured = [case for case in cases if name in results.times(case)]
    ratios = [case.keep_ratio for case in measured]
    times = [results.times(case) for case in measured]
    panel.plot(
      ratios,
      [each[name].median / each[step_case.DENSE].median for each in times],
      "o-",
      color=color,
      label=step_report.NAMES[name],
    )
    macs = [case.mac_ratio(name) for case in measured]
    panel.plot(ratios, macs, "--", color=color)
