# SPDX-License-Identifier: Apache-2.0
"""Runs what a plan asks for and is not there yet; reports after each run."""

import os
import time

from token_dropping import result_file
from token_dropping.study import data
from token_dropping.study import jobs
from token_dropping.study import measurements
from token_dropping.study import plan as plans
from token_dropping.study import report
from token_dropping.study import runs
from token_dropping.study import text_losses

Folders = runs.Folders
_FLAG = "--results_dir"


class Session:
  """A study, as far as it has come.

  Args:
    plan: what to train.
    folders: where to read and write.
    jobs: how many runs at once.

  Raises:
    UserError: a wrong plan, data that are not there, results of other runs.
  """

  def __init__(self, plan: plans.Plan, folders: Folders, jobs_at_once: int):
    self._plan, self._folders = plan, folders
    self._cores = jobs.shares(jobs_at_once)
    data.prepare(plan, folders.data)
    self._runs = runs.expand(plan, folders)
    self._text = self._read_text() or {}
    self._results = {}
    for run in self._runs:
      found = result_file.read(self._path(run), run.identity, _FLAG)
      if found is not None:
        self._results[run.name] = found

  def run(self) -> None:
    """Trains what is missing.

    Raises:
      UserError: a run failed.
      StoppedError: after SIGTERM.
    """
    missing = [run for run in self._runs if run.name not in self._results]
    _say(f"{len(self._runs)} runs, {len(missing)} of them to do")
    os.makedirs(self._folders.results, exist_ok=True)
    for run in missing:
      _claim(run)
    self._measure_text()
    jobs.run([self._job(run) for run in missing], self._cores)

  def report(self) -> str:
    """Writes `study.json`, `study.md` and `study.html`; returns the table."""
    return report.write(
      self._plan,
      [self._results[r.name] for r in self._runs if r.name in self._results],
      self._text,
      self._folders.output,
    )

  def _job(self, run: runs.Run) -> jobs.Job:
    def finish() -> None:
      result = measurements.measure(run, len(self._cores[0]))
      result_file.write(self._path(run), run.identity, result)
      self._results[run.name] = result
      _say(f"{run.name}: loss {result['curve'][-1]['loss']:.4f}")
      self.report()

    return jobs.Job(run.name, run.folder, (run.command,), finish)

  def _read_text(self) -> dict | None:
    return result_file.read(*self._text_key(), _FLAG)

  def _measure_text(self) -> None:
    if not self._text:
      self._text = text_losses.measure(self._runs[0].params)
      result_file.write(*self._text_key(), self._text)

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

  def _path(self, run: runs.Run) -> str:
    return os.path.join(self._folders.results, f"{run.name}.json")


def _claim(run: runs.Run) -> None:
  """Refuses a folder with a part of another run; says whose it is.

  Raises:
    UserError: it belongs to another run.
  """
  path = os.path.join(run.folder, "run.json")
  if result_file.read(path, run.identity, "--output_dir") is None:
    os.makedirs(run.folder, exist_ok=True)
    result_file.write(path, run.identity, {})


def _say(text: str) -> None:
  print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
