# SPDX-License-Identifier: Apache-2.0
"""What several tests of `step_time` share: cases and hand-made measurements."""

import pathlib

from benchmarks import step_case
from benchmarks import step_jobs
from benchmarks import step_results

TINY = step_case.Case(
  width=8,
  num_layers=4,
  vocab_size=200,
  seq_length=16,
  keep_ratio=0.5,
  batch_size=2,
  xla=False,
  dtype="float32",
  dropout=0.0,
)
# That of the targets.
BASE = step_case.Case(768, 12, 30522, 512, 0.5, 2, True, "float32", 0.1)

MACHINE = {
  "processor": "x86_64 Abacus",
  "cores": 2,
  "memory_gib": 16.0,
  "gpus": [],
  "python": "3.11.0",
  "versions": {"tensorflow": "2.20.0"},
}
COMMAND = "python -m benchmarks.step_time"


def make_results(folder: pathlib.Path) -> step_results.Results:
  """Returns the measurements of a folder, those of `MACHINE`."""
  results = step_results.Results(str(folder))
  results.continue_on(MACHINE)
  return results


def add_times(
  results: step_results.Results, case: step_case.Case, **seconds: list[float]
) -> None:
  """Writes down the times of contenders, first calls of a minute each."""
  names = tuple(seconds)
  rounds = min(map(len, seconds.values()))
  results.add(
    step_jobs.Job(step_jobs.TIMES, case, names, rounds),
    {"first": dict.fromkeys(names, 60.0), "seconds": seconds},
    COMMAND,
  )


def add_alone(
  results: step_results.Results,
  case: step_case.Case,
  contender: str,
  gib: float,
) -> None:
  """Writes down memory, half of it the step's."""
  size = int(gib * 2**30)
  results.add(
    step_jobs.alone(case, contender),
    {"peak": size, "step": size // 2, "gpu": None},
    COMMAND,
  )
