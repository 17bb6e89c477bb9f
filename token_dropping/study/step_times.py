# SPDX-License-Identifier: Apache-2.0
"""What a step of each variant takes, all variants timed in turns.

The runs of a study are made over days, beside other work that slows them, and a
neighbour that takes caches and memory lengthens CPU seconds too. Timed in turns
on a quiet machine, steps are compared under equal conditions, and the time of a
training is that of its steps.
"""

import datetime
import statistics
import time
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.common import provenance
from token_dropping.study import comparison
from token_dropping.study import measurements
from token_dropping.study import runs
from token_dropping.training import trainer as trainer_lib

FILE = "step_times"
_SLACK = 1e-6  # of what is the same but for rounding
_POINT = ("multiply_adds", "seconds")
FORM = {
  "machine": provenance.FORM,
  "rounds": int,
  "commit": str,
  "date": str,
  "variants": {str: [dict.fromkeys(_POINT, float)]},
}


def measure(trainings: Iterable[runs.Run], rounds: int) -> dict:
  """Times loops of each variant's training, in so many rounds.

  A variant's first and last loop are timed, or one of them where their steps
  cost the same. Times are medians over rounds, in CPU seconds of this process
  or, where a GPU computes, in seconds.
  """
  loops = [loop for run in trainings for loop in _loops(run)]
  rule = "--time_steps must find results in --results_dir, whose steps it times"
  errors.require(bool(loops), rule, "none")
  for loop in loops:
    loop.run()  # compiles
  taken = [[loop.run() for loop in loops] for _ in range(rounds)]
  variants = {}
  for loop, seconds in zip(loops, zip(*taken, strict=True), strict=True):
    point = {"multiply_adds": loop.macs, "seconds": statistics.median(seconds)}
    variants.setdefault(loop.variant, []).append(point)
  return {
    "variants": variants,
    "rounds": rounds,
    "machine": provenance.this_machine(measurements.PACKAGES),
    "commit": provenance.commit(),
    "date": datetime.date.today().isoformat(),
  }


class _Loop:
  """A loop of a variant's training, at a step; `macs` are those of a step."""

  def __init__(self, run: runs.Run, trainer, step: int, macs: float):
    self.variant, self.macs = run.variant, macs
    self._trainer, self._step = trainer, step
    self._steps = run.params.trainer.steps_per_loop
    gpus = tf.config.list_physical_devices("GPU")
    self._clock = time.perf_counter if gpus else time.process_time

  def run(self) -> float:
    """Trains; returns what a step took."""
    self._trainer.global_step.assign(self._step)
    begin = self._clock()
    self._trainer.train(tf.constant(self._steps))
    return (self._clock() - begin) / self._steps


def _loops(run: runs.Run) -> list[_Loop]:
  config, macs = run.params.trainer, measurements.training_macs(run.params)
  length = config.steps_per_loop
  begin, end = run.trunk.until if run.trunk else 0, config.train_steps - length
  costs = {
    step: (macs(step + length) - macs(step)) / length for step in (begin, end)
  }
  by_cost = {cost: step for step, cost in reversed(costs.items())}
  trainer = trainer_lib.make_trainer(
    run.params,
    trainer_lib.make_strategy(run.params.runtime),
    mode="train",
    model_dir=None,
  )
  return [_Loop(run, trainer, step, cost) for cost, step in by_cost.items()]


def by_variant(trainings: Iterable[runs.Run]) -> list[runs.Run]:
  """Returns a training of each variant that these consist of."""
  found = {}
  for run in trainings:
    while run is not None:
      found.setdefault(run.variant, run)
      run = run.trunk
  return list(found.values())


def with_time(result: dict, run: runs.Run, table: dict) -> dict:
  """Returns a result with the `time` of its steps, by what `measure` returned.

  Between evaluations, and for steps of costs between those that were timed,
  times are straight lines of multiply-adds. Where a variant was not timed, it
  is the time that the run itself took.
  """
  parts = _parts(run)
  if any(variant not in table["variants"] for _, variant in parts):
    return comparison.with_time(result)
  last, curve, seconds = measurements.START, [], 0.0
  for point in result["curve"]:
    variant = next(name for end, name in parts if point["step"] <= end)
    steps = point["step"] - last["step"]
    cost = (point["multiply_adds"] - last["multiply_adds"]) / steps
    step_time = _step_time(table["variants"][variant], cost, variant)
    seconds += steps * step_time
    curve.append(point | {"time": seconds})
    last = point
  clock = table["machine"] | {"timed in turns": table["date"]}
  return result | {"curve": curve, "step_time": step_time, "clock": clock}


def _parts(run: runs.Run | None) -> list[tuple[int, str]]:
  """Returns up to which step a run's training is that of which variant."""
  parts = []
  while run is not None:
    parts.append((run.last_step, run.variant))
    run = run.trunk
  return parts[::-1]


def _step_time(points: list[dict], cost: float, variant: str) -> float:
  timed = sorted(tuple(point[name] for name in _POINT) for point in points)
  costs = [macs for macs, _ in timed] or [float("nan")]
  errors.require(
    costs[0] <= cost * (1 + _SLACK) and cost <= costs[-1] * (1 + _SLACK),
    f"{FILE}.json must have the steps of variant {variant} as they are now; "
    "--time_steps measures them",
    f"one of {cost:.4g} multiply-adds",
  )
  return float(np.interp(cost, costs, [seconds for _, seconds in timed]))
