# SPDX-License-Identifier: Apache-2.0
"""Runs what a plan asks for and is not there yet; reports after each run."""

import functools
import os
import time
from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_json
from token_dropping.common import provenance
from token_dropping.study import comparison
from token_dropping.study import downstream
from token_dropping.study import measurements
from token_dropping.study import plan as plans
from token_dropping.study import report
from token_dropping.study import runs
from token_dropping.study import step_times
from token_dropping.study import text_losses
from token_dropping.training import grid
from token_dropping.training import run_dir

_FLAG = "--results_dir"
_POINT = ("step", "loss", "accuracy", "seconds", "cpu_seconds", "multiply_adds")
_TRAINED = {
  "variant": str,
  "seed": int,
  "train_steps": int,
  "curve": [dict.fromkeys(_POINT, float)],
  "step_seconds": float,
  "step_cpu_seconds": float,
  "machine": provenance.FORM,
}
_SCORED = {"score": float, "deviation?": float, "scores": [{"seed": int}]}
_LOCK_SECONDS = 600.0  # a step and an evaluation, then a save


class Session:
  """A study, as far as it has come; one only to report needs no data."""

  def __init__(
    self,
    plan_file: str,
    folders: runs.Folders,
    jobs_at_once: int,
    report_only: bool = False,
  ):
    files.check_name(folders.output, "--output_dir")
    self._plan, self._folders = plans.read_plan(plan_file), folders
    self._step_times = runs.result_path(folders.results, step_times.FILE)
    self._title = os.path.splitext(os.path.basename(plan_file))[0]
    self._cores = grid.share_cores(jobs_at_once)
    for name, part in self._plan.downstream.items():
      downstream.check_plan(name, part, self._plan.experiment)
    self._runs = self._expand(report_only)
    self._text = self._text_losses()
    self._trainings = {run.name: self._training(run) for run in self._runs}
    self._scorings = {run.name: self._tasks(run) for run in self._runs}
    self._results = grid.read_results([self._text], _FLAG)
    self._read(self._trainings.values(), _TRAINED)
    for tasks in self._scorings.values():
      self._read(tasks.values(), _SCORED)

  def _read(self, entries: Iterable[grid.Run], form: dict) -> None:
    found = grid.read_results(list(entries), _FLAG)
    for entry in entries:
      if entry.name in found:
        plain_json.check(found[entry.name], form, entry.path)
    self._results |= found

  def _expand(self, report_only: bool) -> list[runs.Run]:
    plan, folders, measured = self._plan, self._folders, None
    if report_only:
      measured = runs.find_measured(plan, folders.results)
      rule = f"{_FLAG} must hold results of the plan to be reported"
      errors.require(bool(measured), rule, repr(folders.results))
    else:
      runs.prepare_data(plan, folders.data)
    return runs.expand(plan, folders, measured)

  def run(self) -> None:
    ordered = self._with_trunks()
    for run in ordered:  # before anything is written
      if run.name not in self._results:
        runs.check_trainable(run)
    os.makedirs(self._folders.results, exist_ok=True)
    jobs = [job for job in map(self._job, ordered) if job.runs]
    count = sum(job.name in self._trainings for job in jobs)
    _say(f"{len(self._runs)} runs, {count} of them to do")
    if self._text.name not in self._results:
      self._results[self._text.name] = grid.finish(self._text)
    grid.run_jobs(jobs, self._cores, self._take)

  def _with_trunks(self) -> list[runs.Run]:
    """Returns all runs, each after the trunks that it still needs."""
    ordered = {}
    for run in self._runs:
      chain = [run]
      while self._is_missing(chain[-1]) and chain[-1].trunk is not None:
        chain.append(chain[-1].trunk)
      ordered |= {one.name: one for one in reversed(chain)}
    return list(ordered.values())

  def _is_missing(self, run: runs.Run) -> bool:
    if run.until and run.name not in self._results:
      self._results |= grid.read_results([self._training(run)], "--output_dir")
    return run.name not in self._results

  def time_steps(self, rounds: int) -> None:
    """Times the steps of all variants that have results, in turns."""
    done = [run for run in self._runs if run.name in self._results]
    trainings = step_times.by_variant(done)
    _say(f"steps of {len(trainings)} variants, in turns")
    found = step_times.measure(trainings, rounds)
    files.write_json(self._step_times, found)

  def _read_step_times(self) -> dict | None:
    if not files.exists(self._step_times):
      return None
    found = files.read_json(self._step_times, f"{_FLAG} must be readable")
    plain_json.check(found, step_times.FORM, self._step_times)
    return found

  def report(self) -> str:
    """Writes the report; returns its tables."""
    results, steps = [], self._read_step_times()
    for run in self._runs:
      if run.name in self._results:
        scores = {
          task: self._results[entry.name]
          for task, entry in self._scorings[run.name].items()
          if entry.name in self._results
        }
        found = self._results[run.name]
        if "bleu" in found["curve"][-1]:  # itself the task that counts
          scores["BLEU"] = {"score": found["curve"][-1]["bleu"]}
        result = found | {"downstream": scores}
        results.append(
          step_times.with_time(result, run, steps)
          if steps
          else comparison.with_time(result)
        )
    text = self._results.get(self._text.name, {})
    places = self._folders.output, self._folders.results
    return report.write(self._title, self._plan, results, text, *places, steps)

  def _job(self, run: runs.Run) -> grid.Job:
    missing = []
    if run.name not in self._results:
      _claim(run)
      missing.append(self._training(run))
    # A result from elsewhere comes without the weights.
    if missing or os.path.exists(run.model_dir):
      tasks = self._scorings.get(run.name, {}).values()
      missing += [task for task in tasks if task.name not in self._results]
    after = run.trunk.name if run.trunk else None
    return grid.Job(run.name, run.folder, tuple(missing), after)

  def _take(self, run: grid.Run, result: dict) -> None:
    self._results[run.name] = result
    if "curve" in result:
      _say(f"{run.name}: loss {result['curve'][-1]['loss']:.4f}")
    else:
      _say(f"{run.name}: {result['score']:.4f}")
    if self._results.keys() & self._trainings.keys():
      self.report()

  def _training(self, run: runs.Run) -> grid.Run:
    """Returns what trains a run; a trunk's result stays beside its folder."""
    folders = self._folders
    beside = os.path.join(folders.output, "runs")
    folder = beside if run.until else folders.results
    return grid.Run(
      run.name,
      runs.result_path(folder, run.name),
      run.identity,
      lambda: self._measure(run),
      (run.command,),
    )

  def _measure(self, run: runs.Run) -> dict:
    trunk = self._results[run.trunk.name] if run.trunk else None
    return measurements.measure(run, len(self._cores[0]), trunk)

  def _tasks(self, run: runs.Run) -> dict[str, grid.Run]:
    """Returns the fine-tunings of a run, by task."""
    return {
      task: self._entry(
        f"{run.name}.downstream.{task}",
        downstream.identity(part, run),
        functools.partial(downstream.measure, task, part, run),
        downstream.commands(task, part, run, self._folders.data),
      )
      for task, part in self._plan.downstream.items()
      if part.variants is None or run.variant in part.variants
    }

  def _text_losses(self) -> grid.Run:
    """Returns what measures the losses without a network."""
    first = self._runs[0]
    config = {
      name: value
      for name, value in first.identity["config"].items()
      if name.startswith(("task.validation_data.", "trainer.validation_steps"))
    }
    identity = {"config": config, "data": first.identity["data"]}
    measure = functools.partial(text_losses.measure, first.params)
    return self._entry("text", identity, measure)

  def _entry(self, name: str, identity, measure, commands=()) -> grid.Run:
    path = runs.result_path(self._folders.results, name)
    return grid.Run(name, path, identity, measure, commands)


def _claim(run: runs.Run) -> None:
  """Makes the folder of a run and says whose it is."""
  path = os.path.join(run.folder, "run.json")
  if grid.read_result(path, run.identity, "--output_dir") is None:
    os.makedirs(run.folder, exist_ok=True)
    grid.write_result(path, run.identity, {})
  # One that was killed may have left a process that is about to end.
  errors.require(
    run_dir.wait_until_free(run.model_dir, _LOCK_SECONDS),
    "--output_dir must be a folder in which no other study trains",
    f"{run.model_dir!r}, in use",
  )


def _say(text: str) -> None:
  print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
