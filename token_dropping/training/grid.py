# SPDX-License-Identifier: Apache-2.0
"""Grids of runs, in this process or several at once in processes of their own.

A run is complete when the file of its result is there, which is written last
and says what decided about it. It is not done again, and a result of something
else is refused.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import signals

LOG = "log.txt"
# The system ends a run with the process that started it. Otherwise it would
# live on after a kill, and the next grid find its folder in use.
WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")
_THREADS = tuple(
  f"{name}_THREADS" for name in ("OMP_NUM", "TF_NUM_INTEROP", "TF_NUM_INTRAOP")
)


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


@dataclasses.dataclass(frozen=True)
class Job:
  """Runs that follow one another and print to `log.txt` in the folder.

  It waits for the job named `after`, if that is still to be done.
  """

  name: str
  folder: str
  runs: tuple[Run, ...]
  after: str | None = None


def training_identity(params: cfg.ExperimentConfig) -> dict:
  """Returns what decides about the result of a training."""
  return {"task": params.task.as_dict(), "trainer": params.trainer.as_dict()}


def run_here(runs: Sequence[Run], flag: str) -> list[dict]:
  """Does what is missing in this process; returns all results, in order."""
  complete = read_results(runs, flag)
  return [complete.get(run.name) or finish(run) for run in runs]


def finish(run: Run) -> dict:
  """Measures a run and writes its result; returns it."""
  result = run.measure()
  write_result(run.path, run.identity, result)
  return result


def write_result(path: str, identity: dict, result: dict) -> None:
  """Writes a result and what decided about it, both of JSON values."""
  files.write_json(path, {"experiment": identity} | result)


def read_results(runs: Sequence[Run], flag: str) -> dict[str, dict]:
  """Returns the results of the runs that are complete, by name."""
  results = {
    run.name: read_result(run.path, run.identity, flag) for run in runs
  }
  return {name: value for name, value in results.items() if value is not None}


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
  if there == here:
    return ""
  if isinstance(there, dict) and isinstance(here, dict):
    for key in sorted(there.keys() | here.keys()):
      dotted = f"{path}.{key}" if path else key
      difference = first_difference(there.get(key), here.get(key), dotted)
      if difference:
        return difference
    return ""
  shown = errors.shorten(there), errors.shorten(here)
  return f"{path} is {shown[0]} there and {shown[1]} here"


def share_cores(count: int) -> list[list[int]]:
  """Returns the cores of each of so many jobs at once."""
  cores = sorted(os.sched_getaffinity(0))
  errors.require(
    1 <= count <= len(cores),
    f"--jobs must be at least 1 and at most the cores ({len(cores)})",
    count,
  )
  size = len(cores) // count
  return [cores[index * size : (index + 1) * size] for index in range(count)]


def run_jobs(
  jobs: Sequence[Job],
  shares: Sequence[Sequence[int]],
  on_result: Callable[[Run, dict], None],
) -> None:
  """Runs all jobs as soon as one of the core shares is free.

  They begin in their order, but for those that wait for another one.
  If one fails, or a `StoppedError` comes of SIGTERM or an interrupt, the others
  are stopped; they have saved what they did.
  """
  for tool in (WITH_PARENT[0], "taskset") if jobs else ():
    rule = f"{tool} of Linux's util-linux must be there to run what is missing"
    errors.require(shutil.which(tool) is not None, rule, "a PATH without it")
  waiting = list(jobs)
  steps, processes, names = {}, {}, {}  # by index of the share
  with _stopped_by_signals(), _ended(processes):
    while True:
      for index, cores in enumerate(shares):
        if index not in processes and (job := _ready(waiting, names.values())):
          waiting.remove(job)
          steps[index], names[index] = _steps(job, cores, on_result), job.name
          processes[index] = next(steps[index])
      if not processes:
        return
      time.sleep(0.2)
      for index, process in list(processes.items()):
        if process.poll() is None:
          continue
        del processes[index]
        if (following := next(steps[index], None)) is not None:
          processes[index] = following
        else:
          del names[index]


def _ready(waiting: list[Job], running: Iterable[str]) -> Job | None:
  """Returns the first job that waits for none; `None`: there is no such job."""
  undone = {*running, *(job.name for job in waiting)}
  return next((job for job in waiting if job.after not in undone), None)


def _steps(job: Job, cores, on_result) -> Iterator[subprocess.Popen]:
  """Yields the process of each command; goes on when that has ended."""
  os.makedirs(job.folder, exist_ok=True)
  log = os.path.join(job.folder, LOG)
  for run in job.runs:
    for command in run.commands:
      process = _start(command, cores, log)
      yield process
      errors.require(
        process.returncode == 0,
        f"the run {job.name} must succeed, see {log}",
        f"exit code {process.returncode}, {_last_line(log)}",
      )
    on_result(run, finish(run))


def _start(command, cores, log: str) -> subprocess.Popen:
  threads = dict.fromkeys(_THREADS, str(len(cores)))
  on_cores = ("taskset", "--cpu-list", ",".join(map(str, cores)))
  with open(log, "a", encoding="utf-8") as file:
    return subprocess.Popen(
      [*WITH_PARENT, *on_cores, *command],
      stdin=subprocess.DEVNULL,
      stdout=file,
      stderr=subprocess.STDOUT,
      env=os.environ | threads,
    )


def _last_line(path: str) -> str:
  with open(path, encoding="utf-8", errors="replace") as file:
    lines = [line.strip() for line in file if line.strip()]
  return lines[-1] if lines else "no output"


@contextlib.contextmanager
def _ended(processes: dict[int, subprocess.Popen]) -> Iterator[None]:
  """Ends what still runs, which saves what it did."""
  try:
    yield
  finally:
    for process in processes.values():
      process.terminate()
    for process in processes.values():
      process.wait()


def _stopped_by_signals() -> contextlib.AbstractContextManager:
  def stop(number: int) -> NoReturn:
    name = signal.Signals(number).name
    raise errors.StoppedError(
      f"stopped by {name}; the same command goes on", errors.signal_code(number)
    )

  numbers = (signal.SIGTERM, signal.SIGINT)
  return signals.handling(dict.fromkeys(numbers, signals.raising(stop)))
