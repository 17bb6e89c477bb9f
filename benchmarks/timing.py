# SPDX-License-Identifier: Apache-2.0
"""Interleaved timing, and whether a machine is quiet enough to believe it."""

import dataclasses
import statistics
import time
from collections.abc import Callable

MIN_ROUNDS = 4  # fewer have no quartiles worth the name
WARM_UP_ROUNDS = 2  # after the compiling one: buffers, caches


@dataclasses.dataclass(frozen=True)
class Summary:
  """Times of one contender.

  Attributes:
    median: seconds.
    spread: interquartile range over median; `None` of fewer than `MIN_ROUNDS`.

  Example:

  >>> Summary.of([1.0, 2.0, 3.0, 4.0, 5.0])
  Summary(median=3.0, spread=0.6666666666666666)
  """

  median: float
  spread: float | None

  @classmethod
  def of(cls, seconds: list[float]) -> "Summary":
    """Summarizes at least one time."""
    median = statistics.median(seconds)
    if len(seconds) < MIN_ROUNDS:
      return cls(median, None)
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return cls(median, (high - low) / median)


def noise(summaries: list[Summary], bound: float) -> str:
  """Says why times cannot be compared, or nothing if they can.

  Args:
    summaries: of all that are compared.
    bound: the largest spread that is believed.

  Returns:
    `too few rounds to tell`, `too noisy to tell` with the largest spread, or
    an empty string.

  Example:

  >>> noise([Summary(1.0, 0.02), Summary(2.0, 0.3)], bound=0.1)
  'too noisy to tell (spread 0.300, bound 0.1)'
  """
  spreads = [summary.spread for summary in summaries]
  if None in spreads:
    return f"too few rounds to tell (at least {MIN_ROUNDS})"
  if max(spreads, default=0.0) > bound:
    return f"too noisy to tell (spread {max(spreads):.3f}, bound {bound:g})"
  return ""


def first_calls(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
  """Returns the seconds of each step's first call, which compiles it."""
  return {name: _time(step) for name, step in steps.items()}


def interleaved(
  steps: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
  """Times steps in turns, A B A B, so that a slow minute slows all alike.

  Args:
    steps: callables by name; each returns when its work is done.
    rounds: how often each is timed, after `WARM_UP_ROUNDS`.

  Returns:
    Seconds of every round, by name.
  """
  seconds = {name: [] for name in steps}
  for index in range(WARM_UP_ROUNDS + rounds):
    for name, step in steps.items():
      taken = _time(step)
      if index >= WARM_UP_ROUNDS:
        seconds[name].append(taken)
  return seconds


def _time(step: Callable[[], object]) -> float:
  start = time.perf_counter()
  step()
  return time.perf_counter() - start
