# SPDX-License-Identifier: Apache-2.0
"""Grids of runs: what is complete is not done again.

A run is complete when the file of its result is there, which is written last
and says what decided about it: a result of something else is refused.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import files


@dataclasses.dataclass(frozen=True)
class Run:
  """One entry of a grid; `path` is that of its result.

  Attributes:
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


def run_here(runs: Sequence[Run], flag: str) -> list[dict]:
  """Does what is missing in this process; returns all results, in order."""
  complete = read_results(runs, flag)
  return [complete.get(run.name) or finish(run) for run in runs]


def read_results(runs: Sequence[Run], flag: str) -> dict[str, dict]:
  """Returns the results of the runs that are complete, by name."""
  results = {
    run.name: read_result(run.path, run.identity, flag) for run in runs
  }
  return {name: value for name, value in results.items() if value is not None}


def finish(run: Run) -> dict:
  """Measures a run and writes its result; returns it."""
  result = run.measure()
  write_result(run.path, run.identity, result)
  return result


def write_result(path: str, identity: dict, result: dict) -> None:
  """Writes a result and what decided about it, both of JSON values."""
  files.write_json(path, {"experiment": identity} | result)


def read_result(path: str, identity: dict, flag: str) -> dict | None:
  """Reads a result that `identity` must have decided; `None`: not there."""
  if not files.exists(path):
    return None
  content = files.find_json(path) or {}
  there = content.pop("experiment", None)
  rule = f"{flag} must hold results"
  errors.require(there is not None, rule, f"{path!r}, which is none")
  difference = first_difference(there, json.loads(json.dumps(identity)))
  errors.require(
    not difference,
    f"{flag} must be new or hold results of the same experiment",
    f"{path!r}, of another one: {difference}",
  )
  return content


def first_difference(there, here, path: str = "") -> str:
  """Returns where two trees of JSON values differ; empty: nowhere.

  >>> first_difference({"a": {"b": 1}}, {"a": {"b": 2}})
  'a.b is 1 there and 2 here'
  """
  if isinstance(there, dict) and isinstance(here, dict):
    for key in sorted(there.keys() | here.keys()):
      dotted = f"{path}.{key}" if path else key
      difference = first_difference(there.get(key), here.get(key), dotted)
      if difference:
        return difference
    return ""
  if there == here:
    return ""
  shown = errors.shorten(there), errors.shorten(here)
  return f"{path} is {shown[0]} there and {shown[1]} here"
