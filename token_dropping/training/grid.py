# SPDX-License-Identifier: Apache-2.0
"""Grids of runs: what is complete is not done again.

A run is complete when the file of its result is there, which is written last
and says what decided about it. So a grid that was interrupted goes on, and a
result of something else is refused.
"""

import dataclasses
from collections.abc import Callable, Sequence

from official.core import config_definitions as cfg

from token_dropping.common import result_file


@dataclasses.dataclass(frozen=True)
class Run:
  """One entry of a grid.

  Attributes:
    name: unlike that of others.
    path: of the file of its result.
    identity: what decides about its result, of JSON values.
    measure: returns its result, of JSON values, after the commands; without
      commands it does the work itself.
    commands: to run before, each in a process of its own.
  """

  name: str
  path: str
  identity: dict
  measure: Callable[[], dict]
  commands: tuple[tuple[str, ...], ...] = ()


def training_identity(params: cfg.ExperimentConfig) -> dict:
  """Returns what decides about the result of a training."""
  return {"task": params.task.as_dict(), "trainer": params.trainer.as_dict()}


def read_results(runs: Sequence[Run], flag: str) -> dict[str, dict]:
  """Returns the results of the runs that are complete, by name.

  Args:
    runs: of a grid.
    flag: that named the folder, for errors.

  Raises:
    UserError: a file is no result, or that of something else.
  """
  results = {
    run.name: result_file.read(run.path, run.identity, flag) for run in runs
  }
  return {name: value for name, value in results.items() if value is not None}


def finish(run: Run) -> dict:
  """Measures a run and writes its result; returns it."""
  result = run.measure()
  result_file.write(run.path, run.identity, result)
  return result


def run_here(runs: Sequence[Run], flag: str) -> list[dict]:
  """Does what is missing in this process; returns all results, in order.

  Raises:
    UserError: as `read_results`.
  """
  complete = read_results(runs, flag)
  return [complete.get(run.name) or finish(run) for run in runs]
