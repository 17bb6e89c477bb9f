# SPDX-License-Identifier: Apache-2.0
"""Variants against dense: losses, and what equal losses take.

A variant is compared with the dense run of the same seed. Where it reaches the
loss that dense ends with, it took, say, 500 s of dense's 650 s: a share of
0.77.
Where it does not, dense passed the variant's final loss somewhere on its way:
the share is what the variant took altogether over what dense took to there.
Between evaluations curves are straight lines.
"""

import collections
import statistics

AXES = ("step", "seconds", "cpu_seconds", "multiply_adds")


def reach(curve: list[dict], loss: float, axis: str) -> float | None:
  """Returns where a curve first comes down to a loss; `None`: nowhere.

  Args:
    curve: points with `loss` and the axis, in order.
    loss: in nats.
    axis: one of `AXES`.

  Example:

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

  Args:
    curve: of the variant.
    dense: of dense, with the same seed.
    axis: one of `AXES`.

  Returns:
    At dense's final loss, if the variant reaches it; else at the variant's
    final loss.
  """
  reached = reach(curve, dense[-1]["loss"], axis)
  if reached is not None:
    return reached / dense[-1][axis]
  return curve[-1][axis] / reach(dense, curve[-1]["loss"], axis)


def compare(results: list[dict], dense: str, order: list[str]) -> list[dict]:
  """Returns a row for each variant that has results.

  Args:
    results: what `measurements.measure` returned.
    dense: name of the variant to compare with.
    order: names of the variants.

  Returns:
    For each variant `variant`, `seeds`, `train_steps`, and as pairs of mean and
    spread (the standard deviation over seeds; `None` for one seed) or `None`
    where it is not known: `loss`, `accuracy`, `dropped_loss`, `train_loss`,
    `kept_share`, `step_cpu_seconds`, `downstream`; over dense `step_ratio` and
    `shares`, by axis; `to_dense_loss` and `dense_to_loss`, by axis: where the
    variant reaches dense's final loss, and dense the variant's.
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
  curves = [(one["curve"], other["curve"]) for one, other in pairs]
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
      for key in ("train_loss", "kept_share", "step_cpu_seconds", "downstream")
    },
    "step_ratio": spread(
      [a["step_cpu_seconds"] / b["step_cpu_seconds"] for a, b in pairs]
    ),
    "shares": {
      axis: spread([share_of_dense(a, b, axis) for a, b in curves])
      for axis in AXES
    },
    "to_dense_loss": {
      axis: spread([reach(a, b[-1]["loss"], axis) for a, b in curves])
      for axis in AXES
    },
    "dense_to_loss": {
      axis: spread([reach(b, a[-1]["loss"], axis) for a, b in curves])
      for axis in AXES
    },
  }


def spread(values: list) -> tuple[float, float | None] | None:
  """Returns mean and standard deviation; `None` if a value is missing.

  >>> spread([1.0, 3.0]), spread([2.0]), spread([1.0, None])
  ((2.0, 1.4142135623730951), (2.0, None), None)
  """
  if not values or None in values:
    return None
  deviation = statistics.stdev(values) if len(values) > 1 else None
  return statistics.fmean(values), deviation
