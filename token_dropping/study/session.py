# SPDX-License-Identifier: Apache-2.0
"""Runs what a plan asks for and is not there yet; reports after each run."""

import os
import time

from token_dropping.common import errors
from token_dropping.common import result_file
from token_dropping.study import data
from token_dropping.study import downstream
from token_dropping.study import jobs
from token_dropping.study import measurements
from token_dropping.study import plan as plans
from token_dropping.study import report
from token_dropping.study import runs
from token_dropping.study import text_losses
from token_dropping.training import run_lock

_FLAG = "--results_dir"
_LOCK_SECONDS = 600.0  # a step and an evaluation, then a save


def open_study(
  plan: str, data_dir: str, output_dir: str, results_dir: str, jobs_at_once: int
) -> "Session":
  """Reads a plan and what there is of its results.

  Args:
    plan: path of the YAML file.
    data_dir: folder that the plan's data lie in.
    output_dir: of the runs and the report.
    results_dir: of the results.
    jobs_at_once: how many runs at once.

  Raises:
    UserError: as `Session`.
  """
  folders = runs.Folders(data_dir, output_dir, results_dir)
  return Session(plans.read(plan), folders, jobs_at_once)


class Session:
  """A study, as far as it has come.

  Args:
    plan: what to train.
    folders: where to read and write.
    jobs_at_once: how many runs at once.

  Raises:
    UserError: a wrong plan, data that are not there, results of other runs.
  """

  def __init__(
    self, plan: plans.Plan, folders: runs.Folders, jobs_at_once: int
  ):
    self._plan, self._folders = plan, folders
    self._cores = jobs.shares(jobs_at_once)
    if plan.downstream is not None:
      downstream.check(plan.downstream)
    data.prepare(plan, folders.data)
    self._runs = runs.expand(plan, folders)
    self._text = result_file.read(*self._text_key(), _FLAG) or {}
    self._results = self._read_results("", lambda run: run.identity)
    self._scores = {}
    if plan.downstream is not None:
      self._scores = self._read_results(".downstream", self._fine_tuning)

  def run(self) -> None:
    """Trains what is missing.

    Raises:
      UserError: as `runs.check`, or a run failed.
      StoppedError: after SIGTERM.
    """
    for run in self._runs:  # before anything is written
      if run.name not in self._results:
        runs.check(run)
    os.makedirs(self._folders.results, exist_ok=True)
    planned = [self._job(run) for run in self._runs]
    missing = [job for job in planned if job.stages]
    _say(f"{len(self._runs)} runs, {len(missing)} of them to do")
    if not self._text:
      self._text = text_losses.measure(self._runs[0].params)
      result_file.write(*self._text_key(), self._text)
    jobs.run(missing, self._cores)

  def report(self) -> str:
    """Writes `study.json`, `study.md` and `study.html`; returns the tables."""
    results = [
      self._results[run.name] | self._scores.get(run.name, {})
      for run in self._runs
      if run.name in self._results
    ]
    return report.write(self._plan, results, self._text, self._folders.output)

  def _job(self, run: runs.Run) -> jobs.Job:
    """Returns what there is left to do for a run."""
    stages = []
    if run.name not in self._results:
      _claim(run)
      stages.append(jobs.Stage((run.command,), lambda: self._trained(run)))
    part = self._plan.downstream
    # A result from elsewhere comes without the weights.
    there = bool(stages) or os.path.exists(run.model_dir)
    if part is not None and run.name not in self._scores and there:
      commands = downstream.commands(part, run, self._folders.data)
      stages.append(jobs.Stage(commands, lambda: self._fine_tuned(run)))
    return jobs.Job(run.name, run.folder, tuple(stages))

  def _trained(self, run: runs.Run) -> None:
    result = measurements.measure(run, len(self._cores[0]))
    result_file.write(self._path(run, ""), run.identity, result)
    self._results[run.name] = result
    _say(f"{run.name}: loss {result['curve'][-1]['loss']:.4f}")
    self.report()

  def _fine_tuned(self, run: runs.Run) -> None:
    scores = downstream.measure(self._plan.downstream, run)
    path = self._path(run, ".downstream")
    result_file.write(path, self._fine_tuning(run), scores)
    self._scores[run.name] = scores
    _say(f"{run.name}: downstream {scores['downstream']:.4f}")
    self.report()

  def _read_results(self, kind: str, identity) -> dict[str, dict]:
    found = {
      run.name: result_file.read(self._path(run, kind), identity(run), _FLAG)
      for run in self._runs
    }
    return {name: each for name, each in found.items() if each is not None}

  def _fine_tuning(self, run: runs.Run) -> dict:
    """Returns what decides about a downstream score."""
    return {"run": run.identity} | downstream.identity(self._plan.downstream)

  def _text_key(self) -> tuple[str, dict]:
    """Returns path and identity of the losses without a network."""
    identity = self._runs[0].identity
    read = {
      name: value
      for name, value in identity["config"].items()
      if name.startswith(("task.validation_data.", "trainer.validation_steps"))
    }
    path = os.path.join(self._folders.results, "text.json")
    return path, {"config": read, "data": identity["data"]}

  def _path(self, run: runs.Run, kind: str) -> str:
    return os.path.join(self._folders.results, f"{run.name}{kind}.json")


def _claim(run: runs.Run) -> None:
  """Makes the folder of a run and says whose it is.

  Raises:
    UserError: it holds a part of another run, or another study trains there.
  """
  path = os.path.join(run.folder, "run.json")
  if result_file.read(path, run.identity, "--output_dir") is None:
    os.makedirs(run.folder, exist_ok=True)
    result_file.write(path, run.identity, {})
  # One that was killed may have left a process that is about to end.
  errors.require(
    run_lock.wait_until_free(run.model_dir, _LOCK_SECONDS),
    "--output_dir must be a folder in which no other study trains",
    f"{run.model_dir!r}, in use",
  )


def _say(text: str) -> None:
  print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
