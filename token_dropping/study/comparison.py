# SPDX-License-Identifier: Apache-2.0
"""Variants against dense: losses, and what equal losses take.

A variant is compared with the dense run of the same seed. Where it reaches the
loss that dense ends with, it took, say, 500 s of dense's 650 s: a share of
0.77. Else the share is what the variant took altogether over what dense took to
the variant's final loss. Between evaluations curves are straight lines. `time`
is CPU seconds of training, which hardly depend on what else the machine does,
or `seconds` where a GPU computed; it is compared on equal machines only.
"""

import collections
import statistics

AXES = ("step", "time", "seconds", "multiply_adds")
_TIMES = ("time", "seconds")


def with_time(result: dict) -> dict:
  """Returns a result of `measurements.measure` with `time` and `step_time`."""
  clock = "seconds" if result["machine"]["gpus"] else "cpu_seconds"
  curve = [point | {"time": point[clock]} for point in result["curve"]]
  return result | {"curve": curve, "step_time": result[f"step_{clock}"]}


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


def compare(results: list[dict], dense: str, order: list[str]) -> list[dict]:
  """Returns a row for each variant that has results.

  Figures are pairs of mean and standard deviation over seeds (`None` for one
  seed), or `None` where not known. Over dense, by axis: `shares`,
  `to_dense_loss`, where the variant reaches dense's final loss, and
  `dense_to_loss`, where dense reaches the variant's.
  """
  by_variant = collections.defaultdict(list)
  for result in results:
    by_variant[result["variant"]].append(result)
  baseline = {result["seed"]: result for result in by_variant[dense]}
  return [
    _row(name, by_variant[name], baseline) for name in order if by_variant[name]
  ]


def _row(name: str, results: list[dict], baseline: dict[int, dict]) -> dict:
  ends = [result["curve"][-1] for result in results]
  pairs = [(r, baseline[r["seed"]]) for r in results if r["seed"] in baseline]
  timed = all(_same_machine(one, other) for one, other in pairs)

  def over_dense(figure) -> dict[str, tuple | None]:
    known = [axis for axis in AXES if timed or axis not in _TIMES]
    return dict.fromkeys(AXES) | {
      axis: spread([figure(a["curve"], b["curve"], axis) for a, b in pairs])
      for axis in known
    }

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
      for key in ("train_loss", "kept_share", "step_time", "downstream")
    },
    "step_ratio": spread(
      [a["step_time"] / b["step_time"] if timed else None for a, b in pairs]
    ),
    "shares": over_dense(share_of_dense),
    "to_dense_loss": over_dense(
      lambda curve, dense, axis: reach(curve, dense[-1]["loss"], axis)
    ),
    "dense_to_loss": over_dense(
      lambda curve, dense, axis: reach(dense, curve[-1]["loss"], axis)
    ),
  }


def _same_machine(one: dict, other: dict) -> bool:
  """Whether the times of two results may be compared."""
  first, second = one["machine"], other["machine"]
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
