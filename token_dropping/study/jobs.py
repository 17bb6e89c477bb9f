# SPDX-License-Identifier: Apache-2.0
"""Runs commands one after another, or several at once on cores of their own."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from token_dropping.common import errors
from token_dropping.training import controller

LOG = "log.txt"


@dataclasses.dataclass(frozen=True)
class Stage:
  """Commands that follow one another.

  Attributes:
    commands: to run; at least one.
    finish: called when all have succeeded.
  """

  commands: tuple[tuple[str, ...], ...]
  finish: Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Job:
  """Stages that follow one another.

  Attributes:
    name: for messages.
    folder: what the commands print is added to `log.txt` in it.
    stages: to run; at least one.
  """

  name: str
  folder: str
  stages: tuple[Stage, ...]


def shares(count: int) -> list[list[int]]:
  """Returns the cores of each of so many jobs at once.

  Args:
    count: of jobs.

  Raises:
    UserError: more jobs than cores.
  """
  cores = sorted(os.sched_getaffinity(0))
  errors.require(
    1 <= count <= len(cores),
    f"--jobs must be at least 1 and at most the cores ({len(cores)})",
    count,
  )
  size = len(cores) // count
  return [cores[index * size : (index + 1) * size] for index in range(count)]


def run(jobs: Sequence[Job], cores: Sequence[Sequence[int]]) -> None:
  """Runs all jobs, in their order, as soon as cores are free.

  Args:
    jobs: what to run.
    cores: of each of the jobs that run at once.

  Raises:
    UserError: a command failed; those that ran beside it were stopped.
    StoppedError: after SIGTERM or an interrupt; all have saved what they did.
  """
  waiting = iter(jobs)
  running = {}
  with _stopped_by_signals(), _ended(running):
    while True:
      for slot, share in enumerate(cores):
        if slot not in running and (job := next(waiting, None)) is not None:
          running[slot] = _Process(job, share)
      if not running:
        return
      time.sleep(0.2)
      for slot, process in list(running.items()):
        if process.is_done():
          del running[slot]


class _Process:
  """A job that runs.

  Args:
    job: the job.
    cores: that it may use.
  """

  def __init__(self, job: Job, cores: Sequence[int]):
    self._name = job.name
    self._child = [sys.executable, "-m", "token_dropping.study.child"]
    self._child.append(",".join(map(str, cores)))
    self._left = [
      (command, stage.finish if command is stage.commands[-1] else None)
      for stage in job.stages
      for command in stage.commands
    ]
    self._log = os.path.join(job.folder, LOG)
    os.makedirs(job.folder, exist_ok=True)
    self._start()

  def is_done(self) -> bool:
    """Whether the last command has ended; goes on to the next one.

    Raises:
      UserError: one failed.
    """
    code = self.process.poll()
    if code is None:
      return False
    if code:
      raise errors.UserError(
        f"the run {self._name} must succeed, see {self._log}. "
        f"Received: exit code {code}, {_last_line(self._log)}"
      )
    if self._finish is not None:
      self._finish()
    if not self._left:
      return True
    self._start()
    return False

  def _start(self) -> None:
    command, self._finish = self._left.pop(0)
    with open(self._log, "a", encoding="utf-8") as log:
      self.process = subprocess.Popen(
        [*self._child, *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
      )


@contextlib.contextmanager
def _ended(running: dict[int, _Process]) -> Iterator[None]:
  """Ends what still runs, which saves what it did."""
  try:
    yield
  finally:
    for each in running.values():
      each.process.terminate()
    for each in running.values():
      each.process.wait()


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


def _last_line(path: str) -> str:
  with open(path, encoding="utf-8", errors="replace") as file:
    lines = [line.strip() for line in file if line.strip()]
  return lines[-1] if lines else "no output"
