# SPDX-License-Identifier: Apache-2.0
"""Variants against dense: losses, and what equal losses take.

A variant is compared with the dense run of the same seed, and the mean over
seeds has a 95 % interval by Student's t. That of shares is one of logarithms,
for which half of dense's training is as far from equal as twice of it.

Where a variant reaches the loss that dense ends with, it took, say, 500 s of
dense's 650 s: a share of 0.77. Else the share is what the variant took
altogether over what dense took to the variant's final loss. Between evaluations
curves are straight lines. `time` is that of steps timed in turns, where they
were (`step_times`); else CPU seconds of training, or `seconds` where a GPU
computed. Times are compared on equal machines only.
"""

import collections
import math
import statistics

import numpy as np
from scipy import special

AXES = ("step", "time", "seconds", "multiply_adds")
_CLOCKS = {"time": "clock", "seconds": "machine"}


def with_time(result: dict) -> dict:
  """Returns a result of `measurements.measure` with the time it took itself.

  That is `time` and `step_time`, and `clock`, the machine of both.
  """
  machine = result["machine"]
  clock = "seconds" if machine["gpus"] else "cpu_seconds"
  curve = [point | {"time": point[clock]} for point in result["curve"]]
  step_time = result[f"step_{clock}"]
  return result | {"curve": curve, "step_time": step_time, "clock": machine}


def reach(curve: list[dict], loss: float, axis: str) -> float | None:
  """Returns where a curve first comes down to a loss; `None`: nowhere.

  >>> curve = [{"step": 10, "loss": 5.0}, {"step": 20, "loss": 3.0}]
  >>> reach(curve, 4.5, "step"), reach(curve, 2.0, "step")
  (12.5, None)
  """
  before = None
  for point in curve:
    if point["loss"] <= loss:
      if before is None:
        return float(point[axis])
      part = (before["loss"] - loss) / (before["loss"] - point["loss"])
      return before[axis] + part * (point[axis] - before[axis])
    before = point
  return None


def share_of_dense(curve: list[dict], dense: list[dict], axis: str) -> float:
  """Returns what a variant takes to a loss over what dense takes to it.

  The loss is dense's final one, if the variant reaches it; else the variant's.
  """
  reached = reach(curve, dense[-1]["loss"], axis)
  if reached is not None:
    return reached / dense[-1][axis]
  return curve[-1][axis] / reach(dense, curve[-1]["loss"], axis)


def lead(curve: list[dict], other: list[dict], axis: str) -> float | None:
  """Returns the loss less another curve's, where the first of both ends.

  `None`: that is before the first evaluation of one.

  >>> curve = [{"step": 10, "loss": 5.0}, {"step": 20, "loss": 3.0}]
  >>> lead(curve, [{"step": 5, "loss": 6.0}, {"step": 15, "loss": 4.5}], "step")
  -0.5
  """
  end = min(curve[-1][axis], other[-1][axis])
  if end < max(curve[0][axis], other[0][axis]):
    return None
  return _loss_at(curve, end, axis) - _loss_at(other, end, axis)


def _loss_at(curve: list[dict], place: float, axis: str) -> float:
  places, losses = zip(*((p[axis], p["loss"]) for p in curve), strict=True)
  return float(np.interp(place, places, losses))


def compare(results: list[dict], dense: str, order: list[str]) -> list[dict]:
  """Returns a row for each variant that has results.

  Figures are what `spread` returns, and `interval` where the variant is
  compared with dense of the same seed: `loss_difference` and, by axis,
  `shares`. `downstream` is by task.
  """
  by_variant = _by_variant(results)
  return [
    _row(name, by_variant[name], _pairs(by_variant[name], by_variant[dense]))
    for name in order
    if by_variant[name]
  ]


def compare_runs(
  results: list[dict], dense: str, order: list[str]
) -> list[dict]:
  """Returns such a row for each run."""
  by_variant = _by_variant(results)
  return [
    _row(name, [result], _pairs([result], by_variant[dense]))
    for name in order
    for result in by_variant[name]
  ]


def compare_at_equal(results: list[dict], order: list[str], axis: str) -> dict:
  """Returns the `lead` of each variant over each other, as intervals.

  Only variants of two seeds and more are compared.
  """
  by_variant = _by_variant(results)
  names = [name for name in order if len(by_variant[name]) > 1]
  return {
    one: {
      other: interval(
        _figures(_pairs(by_variant[one], by_variant[other]), axis, lead)
      )
      for other in names
    }
    for one in names
  }


def _by_variant(results: list[dict]) -> dict[str, list[dict]]:
  by_variant = collections.defaultdict(list)
  for result in results:
    by_variant[result["variant"]].append(result)
  return by_variant


def _pairs(results: list[dict], others: list[dict]) -> list[tuple[dict, dict]]:
  """Returns results, each with the other of its seed."""
  by_seed = {other["seed"]: other for other in others}
  return [(r, by_seed[r["seed"]]) for r in results if r["seed"] in by_seed]


def _figures(pairs: list[tuple[dict, dict]], axis: str, figure) -> list:
  """Returns a figure of the curves of each pair; `None`: not comparable."""
  clock = _CLOCKS.get(axis)
  if clock and not all(_same_machine(*pair, clock) for pair in pairs):
    return [None]
  return [figure(one["curve"], other["curve"], axis) for one, other in pairs]


def _row(name: str, results: list[dict], pairs: list) -> dict:
  ends = [result["curve"][-1] for result in results]
  return {
    "variant": name,
    "seeds": [result["seed"] for result in results],
    "train_steps": results[0]["train_steps"],
    **{
      key: spread([end.get(key) for end in ends])
      for key in ("loss", "accuracy", "dropped_loss", *AXES[1:])
    },
    **{
      key: spread([result.get(key) for result in results])
      for key in ("train_loss", "kept_share", "step_time")
    },
    "step_ratio": spread(
      [
        one["step_time"] / other["step_time"]
        if _same_machine(one, other, "clock")
        else None
        for one, other in pairs
      ]
    ),
    "loss_difference": interval(
      [a["curve"][-1]["loss"] - b["curve"][-1]["loss"] for a, b in pairs]
    ),
    "shares": {
      axis: interval(_figures(pairs, axis, share_of_dense), ratios=True)
      for axis in AXES
    },
    "downstream": _downstream(results, pairs),
  }


def _downstream(results: list[dict], pairs: list) -> dict[str, dict]:
  """Returns by task what the runs that were fine-tuned on it score.

  `deviation` is that over the fine-tunings of a run, pooled over runs.
  """
  tasks = {}
  for task in dict.fromkeys(name for r in results for name in r["downstream"]):
    scored = [r["downstream"][task] for r in results if task in r["downstream"]]
    differences = [
      one["downstream"][task]["score"] - other["downstream"][task]["score"]
      for one, other in pairs
      if task in one["downstream"] and task in other["downstream"]
    ]
    squares = [r["deviation"] ** 2 for r in scored if "deviation" in r]
    tasks[task] = {
      "score": spread([run["score"] for run in scored]),
      "difference": interval(differences),
      "deviation": spread(
        [math.sqrt(statistics.fmean(squares))] if squares else []
      ),
    }
  return tasks


def _same_machine(one: dict, other: dict, clock: str) -> bool:
  """Whether the times of two results may be compared."""
  first, second = one[clock], other[clock]
  # Its size says little, and differs by what a system keeps for itself.
  return first | {"memory_gib": 0} == second | {"memory_gib": 0}


def spread(values: list) -> tuple[float, float | None] | None:
  """Returns mean and standard deviation; `None` if a value is missing.

  >>> spread([1.0, 3.0]), spread([2.0]), spread([1.0, None])
  ((2.0, 1.4142135623730951), (2.0, None), None)
  """
  if not values or None in values:
    return None
  deviation = statistics.stdev(values) if len(values) > 1 else None
  return statistics.fmean(values), deviation


def interval(
  values: list, ratios: bool = False
) -> tuple[float, float | None, float | None] | None:
  """Returns the mean, and the ends of its 95 % interval by Student's t.

  Of `ratios` it is the geometric mean, and the interval that of logarithms. One
  value has no interval; `None`, if a value is missing.

  >>> interval([1.0, 3.0])  # 2 -+ 12.706 * sqrt(2) / sqrt(2)
  (2.0, -10.706204736174694, 14.706204736174694)
  >>> interval([0.5], ratios=True), interval([None])
  ((0.5, None, None), None)
  """
  logs = ratios and None not in values
  found = spread(list(map(math.log, values)) if logs else values)
  if found is None:
    return None
  mean, deviation = found
  back = math.exp if ratios else float
  if deviation is None:
    return back(mean), None, None
  quantile = special.stdtrit(len(values) - 1, 0.975)
  half = float(quantile) * deviation / math.sqrt(len(values))
  return back(mean), back(mean - half), back(mean + half)
