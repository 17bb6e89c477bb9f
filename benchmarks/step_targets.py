# SPDX-License-Identifier: Apache-2.0
"""What a step may cost, and whether it does.

The targets are for 12 layers, S = 512, half of the tokens kept, 76 predictions,
float32, XLA and the published dropout.
"""

import dataclasses
from collections.abc import Callable

from benchmarks import step_case
from benchmarks import step_profile
from benchmarks import step_results
from benchmarks import timing

OURS, DENSE = step_case.OURS, step_case.DENSE
_CONDITION = {
  "num_layers": 12,
  "vocab_size": 30522,
  "seq_length": 512,
  "keep_ratio": 0.5,
  "xla": True,
  "dtype": "float32",
  "dropout": 0.1,
}

Measure = Callable[[step_results.Results, step_case.Case], float | None]


@dataclasses.dataclass(frozen=True)
class Target:
  """A bound on something measured.

  Attributes:
    name: what.
    width: int, D.
    bound: float.
    measure: returns the value, `None` where it was not measured.
    at_least: whether larger is better.
    timed: contenders whose times it rests on.
  """

  name: str
  width: int
  bound: float
  measure: Measure
  at_least: bool = False
  timed: tuple[str, ...] = ()

  def verdict(self, value: float, noise: str) -> str:
    """Returns `met`, `missed`, or why that cannot be told."""
    if noise:
      return noise
    met = value >= self.bound if self.at_least else value <= self.bound
    return "met" if met else "missed"


def step_ratio(of: str, over: str) -> Measure:
  """Returns the function that divides two contenders' median times."""

  def measure(results, case):
    times = results.times(case)
    if not {of, over} <= set(times):
      return None
    return times[of].median / times[over].median

  return measure


def memory_ratio(quantity: str) -> Measure:
  """Returns the function that divides our memory by dense BERT's."""

  def measure(results, case):
    ours, dense = (results.alone(case, name) for name in (OURS, DENSE))
    if not (ours and dense):
      return None
    return ours[quantity] / dense[quantity]

  return measure


def dropping_share(
  results: step_results.Results, case: step_case.Case, contender: str = OURS
) -> float | None:
  """Returns what dropping costs beside the layers, over the dense step.

  Args:
    results: the measurements.
    case: of the step.
    contender: who drops.

  Returns:
    The time of gathers, scatters, sorting, masks and importance in the
    contender's step over the median time of the dense one; `None` where there
    is no profile. Words and predictions are gathered without dropping too: an
    upper bound.
  """
  profile = (results.alone(case, contender) or {}).get("profile")
  times = results.times(case)
  if not profile or DENSE not in times:
    return None
  seconds = sum(profile[name] for name in step_profile.DROPPING)
  return seconds / times[DENSE].median


_STEP = (OURS, DENSE)
TARGETS = (
  Target(
    "step time / dense BERT", 768, 0.65, step_ratio(OURS, DENSE), timed=_STEP
  ),
  Target(
    "step time / dense BERT", 256, 0.60, step_ratio(OURS, DENSE), timed=_STEP
  ),
  Target(
    "step time / published token dropping",
    768,
    0.92,
    step_ratio(OURS, step_case.PUBLISHED),
    timed=(OURS, step_case.PUBLISHED),
  ),
  Target(
    "gathers, sorting, masks, importance / dense step",
    768,
    0.02,
    dropping_share,
    timed=(DENSE,),
  ),
  Target("memory of the step / dense BERT", 768, 0.75, memory_ratio("step")),
  Target(
    "memory of the process / dense BERT",
    768,
    0.75,
    memory_ratio("peak"),
  ),
  Target(
    "tokens a second / Hugging Face in PyTorch",
    768,
    2.0,
    step_ratio(step_case.TORCH, OURS),
    at_least=True,
    timed=(OURS, step_case.TORCH),
  ),
)


def table(results: step_results.Results, max_spread: float) -> str:
  """Returns the targets and what became of them, as Markdown."""
  lines = [
    "| target | D | B | bound | measured | |",
    "| --- | --- | --- | --- | --- | --- |",
  ]
  for target in TARGETS:
    lines += _rows(target, results, max_spread)
  return "\n".join(lines)


def _rows(target: Target, results, max_spread: float) -> list[str]:
  """Returns a row for every batch size that was measured."""
  sign = "≥" if target.at_least else "≤"
  start = f"| {target.name} | {target.width}"
  bound = f"{sign} {target.bound:.2f}"
  rows = []
  for case in filter(lambda c: _matches(c, target.width), results.cases()):
    value = target.measure(results, case)
    if value is not None:
      times = results.times(case)
      noise = timing.noise([times[name] for name in target.timed], max_spread)
      verdict = target.verdict(value, noise)
      rows.append(
        f"{start} | {case.batch_size} | {bound} | {value:.3f} | {verdict} |"
      )
  return rows or [f"{start} | | {bound} | | not measured |"]


def _matches(case: step_case.Case, width: int) -> bool:
  wanted = _CONDITION | {"width": width}
  return all(getattr(case, name) == value for name, value in wanted.items())
