# SPDX-License-Identifier: Apache-2.0
"""Runs independent tasks on Apache Beam and collects what they return.

A task writes its result to a file in the work folder when it is done: results
come back from any runner, and a run that was killed goes on where it was.
"""

import dataclasses
import functools
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from token_dropping import errors
from token_dropping.data import files
from token_dropping.data import prepare_progress

_ERROR = "error"


@dataclasses.dataclass(frozen=True)
class TaskRunner:
  """Runs tasks.

  Attributes:
    folder: the work folder, which all workers must reach.
    num_workers: int, default 0: processes of the DirectRunner, 0 for one per
      core. It starts no more than there are tasks, and none for a single one.
    beam_args: options of Beam's own, such as `--runner=FlinkRunner`.
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

    Args:
      label: what is done, in one word; names the results.
      function: takes the number of the task and the task; can be pickled.
      tasks: what it is called with; can be pickled.
      total_bytes: sum of `bytes` in the results, for progress.

    Returns:
      The results, in the order of the tasks.

    Raises:
      UserError: as the first task that raised one.
    """
    results = self._results(label, len(tasks))
    left = [(i, tasks[i]) for i, r in enumerate(results) if r is None]
    if left:
      with prepare_progress.Progress(
        self.folder, label, len(tasks), total_bytes
      ):
        self._run_on_beam(
          functools.partial(_do, self.folder, label), function, left
        )
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
    return [
      files.read_json(files.join(self.folder, name))
      if name in present
      else None
      for name in names
    ]

  def _run_on_beam(self, do, function, tasks) -> None:
    import apache_beam as beam

    with beam.Pipeline(**self._runner(len(tasks))) as pipeline:
      _ = (
        pipeline
        | beam.Create(tasks, reshuffle=False)
        | beam.Reshuffle()
        | beam.Map(do, function)
      )

  def _runner(self, tasks: int) -> dict:
    from apache_beam.options import pipeline_options

    options = pipeline_options.PipelineOptions(list(self.beam_args))
    runner = options.view_as(pipeline_options.StandardOptions).runner
    if runner not in (None, "DirectRunner"):
      return {"options": options}
    # Beam would replace its DirectRunner by one that it downloads.
    from apache_beam.runners.portability.fn_api_runner import fn_runner

    workers = min(self.num_workers or len(os.sched_getaffinity(0)), tasks)
    arguments = [f"--direct_num_workers={workers}"]
    if workers > 1:
      arguments.append("--direct_running_mode=multi_processing")
    options = pipeline_options.PipelineOptions([*arguments, *self.beam_args])
    return {"runner": fn_runner.FnApiRunner(), "options": options}


def result_name(label: str, index: int) -> str:
  """Returns the name of the file with a task's result."""
  return f"{label}-{index:05d}.json"


def check_beam_args(arguments: Sequence[str]) -> None:
  """Checks that Beam knows the options.

  Raises:
    UserError: it does not; most likely a flag of ours is misspelt.
  """
  from apache_beam.options import pipeline_options

  parsers = []
  pipeline_options.PipelineOptions([]).get_all_options(
    add_extra_args_fn=parsers.append
  )
  _, unknown = parsers[0].parse_known_args(list(arguments))
  if unknown:
    raise errors.UserError(
      "arguments must be flags of this command or of Apache Beam "
      f"(--name=value). Received: {unknown[0]!r}"
    )


def _do(folder: str, label: str, task, function) -> None:
  index, content = task
  logging.getLogger("apache_beam").setLevel(logging.ERROR)
  try:
    result = function(index, content)
  except errors.UserError as error:
    result = {_ERROR: str(error)}
  files.write_json(files.join(folder, result_name(label, index)), result)
