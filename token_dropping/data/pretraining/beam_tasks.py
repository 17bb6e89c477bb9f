# SPDX-License-Identifier: Apache-2.0
"""Runs independent tasks on Apache Beam and collects what they return.

Results are files in the work folder: they come back from any runner, and a run
that was killed goes on where it was.
"""

import contextlib
import dataclasses
import functools
import gc
import logging
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.pretraining import beam_worker
from token_dropping.data.pretraining import prepare_progress

_ERROR = "error"
# To start a process takes as long as to work on about so much text.
_BYTES_PER_WORKER = 64e6


@dataclasses.dataclass(frozen=True)
class TaskRunner:
  """Runs tasks, in a work folder that all workers must reach.

  `num_workers` are processes of the DirectRunner, 0 for one per core and 64 MB
  of tasks; it starts no more than there are tasks, and none for a single one.
  `beam_args` are options of Beam's own, such as `--runner=FlinkRunner`.
  """

  folder: str
  num_workers: int = 0
  beam_args: tuple[str, ...] = ()

  def run(
    self,
    label: str,
    function: Callable[[int, Any], dict],
    tasks: Sequence[Any],
    total_bytes: int,
  ) -> list[dict]:
    """Runs a function on each task, unless its result is there already.

    `function`, of a task's number and content, and `tasks` can be pickled;
    `label` names the results; `total_bytes` is the sum of their `bytes`, for
    progress. They come in order, or the first of their `UserError`s is raised.
    """
    results = self._results(label, len(tasks))
    left = [(i, tasks[i]) for i, r in enumerate(results) if r is None]
    if left:
      with prepare_progress.Progress(
        self.folder, label, len(tasks), total_bytes
      ):
        self._run_on_beam(label, function, left, total_bytes)
      results = self._results(label, len(tasks))
    for result in results:
      if result is None:
        raise RuntimeError(f"a task of {label!r} has no result")
      if _ERROR in result:
        raise errors.UserError(result[_ERROR])
    return results

  def _results(self, label: str, number: int) -> list[dict | None]:
    present = set(files.list_names(self.folder))
    names = [result_name(label, index) for index in range(number)]
    paths = [files.join(self.folder, name) for name in names]
    return [
      files.find_json(path) if name in present else None
      for name, path in zip(names, paths, strict=True)
    ]

  def _run_on_beam(self, label, function, tasks, total_bytes) -> None:
    beam = _import_beam()
    do = functools.partial(_do, self.folder, label, function)
    wanted = self.num_workers or _worthwhile_workers(total_bytes)
    runner = self._runner(min(wanted, len(tasks)))
    with beam.Pipeline(**runner) as pipeline:
      _ = (
        pipeline
        | beam.Create(tasks, reshuffle=False)
        | beam.Reshuffle()
        | beam.Map(do)
      )

  def _runner(self, workers: int) -> dict:
    options = _options(self.beam_args)
    if options.get_all_options()["runner"] not in (None, "DirectRunner"):
      return {"options": options}
    own = f"--direct_num_workers={workers}"
    return {
      "runner": _direct_runner(workers > 1),
      "options": _options([own, *self.beam_args]),
    }


def result_name(label: str, index: int) -> str:
  """Returns the name of the file with a task's result."""
  return f"{label}-{index:05d}.json"


def check_beam_args(arguments: Sequence[str]) -> None:
  """Refuses options that Beam does not know: most likely ours, misspelt."""
  parsers = []
  _options([]).get_all_options(add_extra_args_fn=parsers.append)
  _, unknown = parsers[0].parse_known_args(list(arguments))
  if unknown:
    raise errors.UserError(
      "arguments must be flags of this command or of Apache Beam "
      f"(--name=value). Received: {unknown[0]!r}"
    )


def _worthwhile_workers(total_bytes: int) -> int:
  cores = len(os.sched_getaffinity(0))
  return max(min(cores, int(total_bytes / _BYTES_PER_WORKER)), 1)


def _import_beam():
  """Imports Beam without its report of clouds whose libraries are missing."""
  disabled = logging.root.manager.disable
  logging.disable(logging.WARNING)
  try:
    import apache_beam
  except ImportError as error:
    raise errors.UserError(
      "preparing data needs Apache Beam: pip install 'token-dropping[data]'. "
      f"Received: {error}"
    ) from error
  finally:
    logging.disable(disabled)
  return apache_beam


def _options(arguments: Sequence[str]):
  _import_beam()
  from apache_beam.options import pipeline_options

  return pipeline_options.PipelineOptions(list(arguments))


def _direct_runner(in_processes: bool):
  # Named "DirectRunner", Beam would prefer one that it downloads.
  from apache_beam.runners.portability.fn_api_runner import fn_runner
  from apache_beam.transforms import environments

  environment = None
  if in_processes:
    environment = environments.SubprocessSDKEnvironment.from_command_string(
      f"exec {shlex.quote(sys.executable)} -m {beam_worker.__name__}"
    )
  return fn_runner.FnApiRunner(default_environment=environment)


def _do(folder: str, label: str, function, task) -> None:
  index, content = task
  logging.getLogger("apache_beam").setLevel(logging.ERROR)
  try:
    with _no_collection():
      result = function(index, content)
  except errors.UserError as error:
    result = {_ERROR: str(error)}
  files.write_json(files.join(folder, result_name(label, index)), result)


@contextlib.contextmanager
def _no_collection():
  """Looks for no reference cycles: it takes a fifth of the time, finds few."""
  was_enabled = gc.isenabled()
  gc.disable()
  try:
    yield
  finally:
    if was_enabled:
      gc.enable()
