# SPDX-License-Identifier: Apache-2.0
"""The runs of a grid in processes of their own, several at once."""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

from token_dropping.common import errors
from token_dropping.training import controller
from token_dropping.training import grid

LOG = "log.txt"
# The system ends a run with the process that started it. Otherwise it would
# live on after a kill, and the next grid find its folder in use.
WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")
_THREADS = tuple(
  f"{name}_THREADS" for name in ("OMP_NUM", "TF_NUM_INTEROP", "TF_NUM_INTRAOP")
)


@dataclasses.dataclass(frozen=True)
class Job:
  """Runs that follow one another and print to `log.txt` in the folder."""

  name: str
  folder: str
  runs: tuple[grid.Run, ...]


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
  on_result: Callable[[grid.Run, dict], None],
) -> None:
  """Runs all jobs, in their order, as soon as one of the core shares is free.

  If one fails, or a `StoppedError` comes of SIGTERM or an interrupt, the others
  are stopped; they have saved what they did.
  """
  for tool in (WITH_PARENT[0], "taskset") if jobs else ():
    rule = f"{tool} of Linux's util-linux must be there to run what is missing"
    errors.require(shutil.which(tool) is not None, rule, "a PATH without it")
  waiting = iter(jobs)
  steps, processes = {}, {}  # by index of the share
  with _stopped_by_signals(), _ended(processes):
    while True:
      for index, cores in enumerate(shares):
        if index not in processes and (job := next(waiting, None)) is not None:
          steps[index] = _steps(job, cores, on_result)
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
    on_result(run, grid.finish(run))


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


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
  def stop(number, frame):
    del frame
    name = signal.Signals(number).name
    raise errors.StoppedError(
      f"stopped by {name}; the same command goes on", controller.TERMINATED
    )

  numbers = (signal.SIGTERM, signal.SIGINT)
  before = {number: signal.signal(number, stop) for number in numbers}
  try:
    yield
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
