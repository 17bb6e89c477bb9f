# SPDX-License-Identifier: Apache-2.0
"""The measurements as Markdown, for the documentation, and held to targets."""

import dataclasses

from benchmarks import step_case
from benchmarks import step_results
from token_dropping.common import provenance
from token_dropping.study import tables

NAMES = {
  step_case.DENSE: "BERT (Model Garden)",
  step_case.PUBLISHED: "published token dropping",
  step_case.OURS: "this project",
  step_case.OURS_DENSE: "this project, nothing dropped",
  step_case.RECOMMENDED: "this project, as recommended",
  step_case.LAYERWISE: "this project, layer-wise",
  step_case.MODERN_DENSE: "ModernBERT, nothing dropped",
  step_case.MODERN: "ModernBERT, as recommended",
  step_case.TORCH: "PyTorch",
  step_case.TORCH_EVERYWHERE: "PyTorch, head on all positions",
}
_CASE_COLUMNS = ("L x D", "S", "B", "keep", "XLA", "type", "dropout", "")
_TIME_COLUMNS = (
  *_CASE_COLUMNS,
  *("s/step", "spread", "tokens/s", "/ dense", "multiply-adds", ""),
)
_MEMORY_COLUMNS = (
  *_CASE_COLUMNS,
  *("all, GiB", "/ dense", "step, GiB", "/ dense", "GPU, GiB"),
  "first call, s",
)
_TIME_NOTES = (
  "Medians of interleaved steps; *spread* is their interquartile range over "
  "the median; *multiply-adds* are those of the cost model over the dense "
  "network's, what could be reached if nothing else took time."
)
_MEMORY_NOTES = (
  "*All* is what the process has at its peak beyond its size before the model "
  "is built: weights, optimizer, compiled program, step. *Step* is what comes "
  "and goes with a step: with XLA the buffers of its temporaries, else the "
  "peak of the process beyond its size between steps. *First call* traces and "
  "compiles."
)


@dataclasses.dataclass(frozen=True)
class Target:
  """A bound on what ours takes over what another contender takes.

  `memory` is `step` or `peak`; without it time is meant.
  """

  name: str
  width: int
  bound: float
  over: str = step_case.DENSE
  memory: str = ""

  def row(
    self, results: step_results.Results, case: step_case.Case, max_spread: float
  ) -> list[str] | None:
    """Returns batch size, bound, ratio and verdict, if this was measured."""
    wanted = (12, 30522, 512, 0.5, case.batch_size, True, "float32", 0.1)
    if case != step_case.Case(self.width, *wanted):
      return None
    times, names = results.times(case), (step_case.OURS, self.over)
    if self.memory:
      taken = [results.alone(case, name).get(self.memory) for name in names]
      noise = ""
    else:
      times = [times[name] for name in names if name in times]
      taken = [summary.median for summary in times]
      noise = step_results.noise(times, max_spread)
    if len(taken) < 2 or not all(taken):
      return None
    ours, other = taken
    verdict = noise or ("met" if ours <= self.bound * other else "missed")
    ratio = f"{ours / other:.3f}"
    return [str(case.batch_size), self.bound_text, ratio, verdict]

  @property
  def bound_text(self) -> str:
    return f"≤ {self.bound:.2f}"


TARGETS = (
  Target("step time / dense BERT", 768, 0.65),
  Target("step time / dense BERT", 256, 0.60),
  Target(
    "step time / published token dropping", 768, 0.92, step_case.PUBLISHED
  ),
  Target("memory of the step / dense BERT", 768, 0.75, memory="step"),
  Target("memory of the process / dense BERT", 768, 0.75, memory="peak"),
)


def format_report(
  results: step_results.Results, max_spread: float, plots: list[str]
) -> str:
  """Returns the whole report; `plots` are names of pictures beside it."""
  parts = [
    "# Time and memory of a training step",
    _introduction(results, max_spread),
    "## Targets",
    "12 layers, S = 512, half of the tokens kept, float32, XLA, dropout 0.1.",
    target_table(results, max_spread),
    "## Time",
    _TIME_NOTES,
    _time_table(results, max_spread),
    *(f"![Time and memory of a step]({plot})" for plot in plots),
    "## Memory and compilation",
    _MEMORY_NOTES,
    _memory_table(results),
  ]
  return "\n\n".join(parts) + "\n"


def noise_lines(results: step_results.Results, max_spread: float) -> list[str]:
  """Returns a line for every case whose times cannot be compared."""
  noise = {
    case: step_results.noise(list(results.times(case).values()), max_spread)
    for case in results.cases()
  }
  return [f"{case}: {reason}" for case, reason in noise.items() if reason]


def target_table(results: step_results.Results, max_spread: float) -> str:
  """Returns the targets and what became of them, as Markdown."""
  rows = []
  for target in TARGETS:
    measured = [
      row
      for case in results.cases()
      if (row := target.row(results, case, max_spread))
    ]
    nothing = ["", target.bound_text, "", "not measured"]
    start = [target.name, str(target.width)]
    rows += [[*start, *row] for row in measured or [nothing]]
  return _table(("target", "D", "B", "bound", "measured", ""), rows)


def _introduction(results: step_results.Results, max_spread: float) -> str:
  commits, dates = (", ".join(results.facts(n)) for n in ("commit", "date"))
  commands = "\n".join(f"    {line}" for line in results.facts("command"))
  return (
    f"{provenance.describe(results.machine)}.\n\n"
    f"Commit {commits}, {dates}. Times whose spread is over "
    f"{max_spread:g} are not believed.\n\n{commands}"
  )


def _time_table(results: step_results.Results, max_spread: float) -> str:
  rows = []
  for case in results.cases():
    times = results.times(case)
    if not times:
      rows.append([*_case_cells(case), *[""] * 5, "does not fit in memory"])
    for name, summary in times.items():
      base = step_case.compared_with(times)
      dense = times[base]
      rows.append(
        [
          *_case_cells(case, name),
          _seconds(summary.median),
          "" if summary.spread is None else f"{summary.spread:.3f}",
          f"{case.batch_size * case.seq_length / summary.median:,.0f}",
          f"{summary.median / dense.median:.3f}",
          f"{case.mac_ratio(name, base):.3f}",
          step_results.noise([summary, dense], max_spread),
        ]
      )
  return _table(_TIME_COLUMNS, rows)


def _memory_table(results: step_results.Results) -> str:
  rows = []
  for case in results.cases():
    alones = {n: results.alone(case, n) for n in step_case.CONTENDERS}
    measured = [name for name, alone in alones.items() if alone]
    dense = alones.get(step_case.compared_with(measured)) or {}
    for name, alone in alones.items():
      first = results.first_calls(case).get(name)
      if alone:
        cells = [
          *_sized(alone["peak"], dense.get("peak")),
          *_sized(alone["step"], dense.get("step")),
          "" if alone["gpu"] is None else _sized(alone["gpu"])[0],
          "" if first is None else f"{first:.1f}",
        ]
        rows.append([*_case_cells(case, name), *cells])
  return _table(_MEMORY_COLUMNS, rows)


def _case_cells(case: step_case.Case, name: str | None = None) -> list[str]:
  return [
    case.network,
    str(case.seq_length),
    str(case.batch_size),
    f"{case.keep_ratio:g}",
    "on" if case.xla else "off",
    case.dtype,
    case.dropouts,
    NAMES.get(name, ""),
  ]


def _sized(size: int, dense: int | None = None) -> list[str]:
  return [f"{size / 2**30:.2f}", f"{size / dense:.3f}" if dense else ""]


def _seconds(seconds: float) -> str:
  return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.4f}"


def _table(header: tuple[str, ...], rows: list[list[str]]) -> str:
  return tables.markdown([header, *rows]) if rows else "Not measured."
