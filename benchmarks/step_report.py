# SPDX-License-Identifier: Apache-2.0
"""The measurements as Markdown, for the documentation."""

from collections.abc import Iterable

from benchmarks import step_case
from benchmarks import step_profile
from benchmarks import step_results
from benchmarks import step_targets
from benchmarks import timing
from token_dropping.common import provenance

NAMES = {
  step_case.DENSE: "BERT (Model Garden)",
  step_case.PUBLISHED: "published token dropping",
  step_case.OURS: "this project",
  step_case.RECOMMENDED: "this project, as recommended",
  step_case.LAYERWISE: "this project, layer-wise",
  step_case.TORCH: "Hugging Face, PyTorch",
}
_CASE_COLUMNS = ("L x D", "S", "B", "keep", "XLA", "type", "dropout")
_TIME_NOTES = (
  "Medians of interleaved steps; *spread* is their interquartile range over "
  "the median; *multiply-adds* are those of the cost model over dense BERT's, "
  "what could be reached if nothing else took time."
)
_MEMORY_NOTES = (
  "*All* is what the process has at its peak beyond its size before the model "
  "is built: weights, optimizer, compiled program, step. *Step* is what comes "
  "and goes with a step: with XLA the buffers of its temporaries, else the "
  "peak of the process beyond its size between steps. *First call* traces and "
  "compiles."
)
_PROFILE_NOTES = (
  "Milliseconds of a step in which an operation of the class was under way, by "
  "the profiler. Classes run at once, so they add up to more than the step, "
  "and a fusion counts as what it contains. *Dropping* is the sum of gathers, "
  "sorting, masks and importance over the dense step's time: an upper bound, "
  "since words and predictions are gathered without dropping too."
)


def format_report(
  results: step_results.Results, max_spread: float, plots: list[str]
) -> str:
  """Returns the whole report.

  Args:
    results: the measurements.
    max_spread: times with a larger one are not believed.
    plots: names of the pictures, beside the report.
  """
  parts = [
    "# Time and memory of a training step",
    _introduction(results, max_spread),
    "## Targets",
    "12 layers, S = 512, half of the tokens kept, float32, XLA, dropout 0.1.",
    step_targets.table(results, max_spread),
    "## Time",
    _TIME_NOTES,
    _time_table(results, max_spread),
    *(f"![Step time over dense BERT]({plot})" for plot in plots),
    "## Memory and compilation",
    _MEMORY_NOTES,
    _memory_table(results),
    "## Where the time goes",
    _PROFILE_NOTES,
    _profile_table(results),
  ]
  return "\n\n".join(parts) + "\n"


def noise_lines(results: step_results.Results, max_spread: float) -> list[str]:
  """Returns a line for every case whose times cannot be compared."""
  lines = []
  for case in results.cases():
    noise = timing.noise(list(results.times(case).values()), max_spread)
    if noise:
      lines.append(f"{case}: {noise}")
  return lines


def _introduction(results: step_results.Results, max_spread: float) -> str:
  def listed(name: str) -> str:
    return ", ".join(results.facts(name))

  commands = "\n".join(f"    {line}" for line in results.facts("command"))
  return (
    f"{provenance.describe(results.machine)}.\n\n"
    f"Commit {listed('commit')}, {listed('date')}. Times whose spread is over "
    f"{max_spread:g} are not believed.\n\n{commands}"
  )


def _time_table(results: step_results.Results, max_spread: float) -> str:
  header = [
    *_CASE_COLUMNS,
    "",
    "s/step",
    "spread",
    "tokens/s",
    "/ dense",
    "multiply-adds",
    "",
  ]
  rows = []
  for case in results.cases():
    times = results.times(case)
    if not times:
      rows.append([*_case_cells(case), *[""] * 6, "does not fit in memory"])
    dense = times.get(step_case.DENSE)
    for name, summary in times.items():
      rows.append(
        [
          *_case_cells(case),
          NAMES[name],
          _number(summary.median),
          "" if summary.spread is None else f"{summary.spread:.3f}",
          f"{case.batch_size * case.seq_length / summary.median:,.0f}",
          f"{summary.median / dense.median:.3f}",
          f"{case.mac_ratio(name):.3f}",
          timing.noise([summary, dense], max_spread),
        ]
      )
  return _table(header, rows)


def _memory_table(results: step_results.Results) -> str:
  header = [
    *_CASE_COLUMNS,
    "",
    "all, GiB",
    "/ dense",
    "step, GiB",
    "/ dense",
    "GPU, GiB",
    "first call, s",
  ]
  rows = []
  for case, name, alone in _alone(results):
    dense = results.alone(case, step_case.DENSE) or {}
    first = results.first_calls(case).get(name)
    rows.append(
      [
        *_case_cells(case),
        NAMES[name],
        *_sized(alone, dense, "peak"),
        *_sized(alone, dense, "step"),
        _gib(alone["gpu"]),
        "" if first is None else f"{first:.1f}",
      ]
    )
  return _table(header, rows)


def _profile_table(results: step_results.Results) -> str:
  classes = step_profile.CLASSES
  header = [*_CASE_COLUMNS, "", *classes, "dropping"]
  rows = []
  for case, name, alone in _alone(results):
    if alone["profile"]:
      share = None
      if name in step_case.DROPPING:
        share = step_targets.dropping_share(results, case, name)
      rows.append(
        [
          *_case_cells(case),
          NAMES[name],
          *(f"{1000 * alone['profile'][each]:.1f}" for each in classes),
          "" if share is None else f"{share:.4f}",
        ]
      )
  return _table(header, rows)


def _alone(results: step_results.Results) -> Iterable[tuple]:
  """Yields case, contender and its measurement alone, where there is one."""
  for case in results.cases():
    for name in step_case.CONTENDERS:
      alone = results.alone(case, name)
      if alone:
        yield case, name, alone


def _case_cells(case: step_case.Case) -> list[str]:
  return [
    case.network,
    str(case.seq_length),
    str(case.batch_size),
    f"{case.keep_ratio:g}",
    "on" if case.xla else "off",
    case.dtype,
    f"{case.dropout:g}",
  ]


def _sized(alone: dict, dense: dict, quantity: str) -> list[str]:
  """Returns the cells of a size and its ratio to the dense one's."""
  ratio = ""
  if dense.get(quantity):
    ratio = f"{alone[quantity] / dense[quantity]:.3f}"
  return [_gib(alone[quantity]), ratio]


def _gib(size: int | None) -> str:
  return "" if size is None else f"{size / 2**30:.2f}"


def _number(seconds: float) -> str:
  return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.4f}"


def _table(header: list[str], rows: list[list[str]]) -> str:
  if not rows:
    return "Not measured."
  lines = [header, ["---"] * len(header), *rows]
  return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
