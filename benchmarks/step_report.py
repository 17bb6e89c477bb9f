# SPDX-License-Identifier: Apache-2.0
"""The measurements as Markdown, for the documentation, and held to targets."""

import dataclasses

from benchmarks import step_case
from benchmarks import step_results
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


@dataclasses.dataclass(frozen=True)
class Target:
  """A bound on what ours takes over what another contender takes.

  `memory` is `step` or `peak`; without it time is meant. With `at_least` the
  ratio is the other's time over ours, and `bound` the least.
  """

  name: str
  width: int
  bound: float
  over: str = step_case.DENSE
  memory: str = ""
  at_least: bool = False

  def applies_to(self, case: step_case.Case) -> bool:
    batch = case.batch_size
    return case == step_case.Case(
      self.width, 12, 30522, 512, 0.5, batch, True, "float32", 0.1
    )

  def measure(
    self, results: step_results.Results, case: step_case.Case
  ) -> float | None:
    ours, other = (
      self._measured(results, case, name)
      for name in (step_case.OURS, self.over)
    )
    if not ours or not other:
      return None
    return other / ours if self.at_least else ours / other

  def _measured(self, results, case, contender: str) -> float | None:
    if self.memory:
      return (results.alone(case, contender) or {}).get(self.memory)
    summary = results.times(case).get(contender)
    return summary and summary.median

  def verdict(self, value: float, noise: str) -> str:
    """Returns `met`, `missed`, or why that cannot be told."""
    met = value >= self.bound if self.at_least else value <= self.bound
    return noise or ("met" if met else "missed")


TARGETS = (
  Target("step time / dense BERT", 768, 0.65),
  Target("step time / dense BERT", 256, 0.60),
  Target(
    "step time / published token dropping", 768, 0.92, step_case.PUBLISHED
  ),
  Target("memory of the step / dense BERT", 768, 0.75, memory="step"),
  Target("memory of the process / dense BERT", 768, 0.75, memory="peak"),
  Target(
    "tokens a second / Hugging Face in PyTorch",
    768,
    2.0,
    step_case.TORCH,
    at_least=True,
  ),
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
    *(f"![Step time over dense BERT]({plot})" for plot in plots),
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


def _introduction(results: step_results.Results, max_spread: float) -> str:
  commits, dates = (", ".join(results.facts(n)) for n in ("commit", "date"))
  commands = "\n".join(f"    {line}" for line in results.facts("command"))
  return (
    f"{provenance.describe(results.machine)}.\n\n"
    f"Commit {commits}, {dates}. Times whose spread is over "
    f"{max_spread:g} are not believed.\n\n{commands}"
  )


def target_table(results: step_results.Results, max_spread: float) -> str:
  """Returns the targets and what became of them, as Markdown."""
  rows = []
  for target in TARGETS:
    bound = f"{'≥' if target.at_least else '≤'} {target.bound:.2f}"
    start = [target.name, str(target.width)]
    measured = []
    for case in filter(target.applies_to, results.cases()):
      value, times = target.measure(results, case), results.times(case)
      if value is not None:
        names = () if target.memory else (step_case.OURS, target.over)
        noise = step_results.noise([times[name] for name in names], max_spread)
        cells = [str(case.batch_size), bound, f"{value:.3f}"]
        measured.append([*start, *cells, target.verdict(value, noise)])
    rows += measured or [[*start, "", bound, "", "not measured"]]
  return _table(["target", "D", "B", "bound", "measured", ""], rows)


def _time_table(results: step_results.Results, max_spread: float) -> str:
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
          _seconds(summary.median),
          "" if summary.spread is None else f"{summary.spread:.3f}",
          f"{case.batch_size * case.seq_length / summary.median:,.0f}",
          f"{summary.median / dense.median:.3f}",
          f"{case.mac_ratio(name):.3f}",
          step_results.noise([summary, dense], max_spread),
        ]
      )
  header = ["s/step", "spread", "tokens/s", "/ dense", "multiply-adds", ""]
  return _table([*_CASE_COLUMNS, "", *header], rows)


def _memory_table(results: step_results.Results) -> str:
  rows = []
  for case in results.cases():
    dense = results.alone(case, step_case.DENSE) or {}
    for name in step_case.CONTENDERS:
      alone = results.alone(case, name)
      if alone:
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
  sizes = ["all, GiB", "/ dense", "step, GiB", "/ dense", "GPU, GiB"]
  return _table([*_CASE_COLUMNS, "", *sizes, "first call, s"], rows)


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
  ratio = ""
  if dense.get(quantity):
    ratio = f"{alone[quantity] / dense[quantity]:.3f}"
  return [_gib(alone[quantity]), ratio]


def _gib(size: int | None) -> str:
  return "" if size is None else f"{size / 2**30:.2f}"


def _seconds(seconds: float) -> str:
  return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.4f}"


def _table(header: list[str], rows: list[list[str]]) -> str:
  if not rows:
    return "Not measured."
  lines = [header, ["---"] * len(header), *rows]
  return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
