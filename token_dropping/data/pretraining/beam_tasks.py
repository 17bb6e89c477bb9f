# SPDX-License-Identifier: Apache-2.0
"""Runs independent tasks on Apache Beam and collects what they return.

Results are files in the work folder: they come back from any runner, progress
is what is there, and a run that was killed goes on where it was.
"""

import contextlib
import dataclasses
import functools
import gc
import logging
import os
import re
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NoReturn

import tqdm

from token_dropping.common import errors
from token_dropping.common import extras
from token_dropping.common import files
from token_dropping.common import signals
from token_dropping.data.pretraining import beam_worker

_ERROR = "error"
# To start a process takes as long as to work on about so much text.
_BYTES_PER_WORKER = 64e6
# Beam would wait for minutes for a job server that is not there.
_ANSWER_SECONDS = 10
_MOST_REASON = 500  # characters
_DIRECT = "direct"
_MASTERS = {"flink": "flink_master", "spark": "spark_master_url"}


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
    names = [result_name(label, index) for index in range(len(tasks))]
    results: dict[str, dict] = {}
    self._read(names, results)
    left = [(i, tasks[i]) for i, n in enumerate(names) if n not in results]
    if left:
      read = functools.partial(self._read, names, results)
      with _progress(label, read, len(tasks), total_bytes):
        do = functools.partial(_do, self.folder, label, function)
        self._run_on_beam(do, left, total_bytes)
    for name in names:
      if name not in results:
        raise RuntimeError(f"a task of {label!r} has no result")
      if _ERROR in results[name]:
        raise errors.UserError(results[name][_ERROR])
    return [results[name] for name in names]

  def _read(self, names: list[str], results: dict[str, dict]):
    """Adds the results that are new; returns all that there are."""
    present = set(files.list_names(self.folder)).intersection(names)
    for name in sorted(present.difference(results)):
      result = files.find_json(files.join(self.folder, name))
      if result is not None:
        results[name] = result
    return results.values()

  def _run_on_beam(self, do, tasks, total_bytes) -> None:
    beam = _import_beam()
    cores = len(os.sched_getaffinity(0))
    worthwhile = max(min(cores, int(total_bytes / _BYTES_PER_WORKER)), 1)
    runner = self._runner(min(self.num_workers or worthwhile, len(tasks)))
    try:
      with _interruptible(), beam.Pipeline(**runner) as pipeline:
        _ = (
          pipeline
          | beam.Create(tasks, reshuffle=False)
          | beam.Reshuffle()
          | beam.Map(do)
        )
    except Exception as error:  # of any cluster
      if "runner" in runner:
        raise
      self._stop(error)

  def _stop(self, error: Exception) -> NoReturn:
    """Says why a cluster failed; what it has done stays, to go on from."""
    refusal = _cannot_run(self.beam_args, error)
    if len(files.list_names(self.folder)) > 1:  # not the settings alone
      raise errors.StoppedError(f"{refusal}; call again to go on", 1) from error
    raise refusal from error

  def _runner(self, workers: int) -> dict:
    options = _options(self.beam_args)
    if _kind(options.get_all_options()) != _DIRECT:
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
  """Refuses options that Beam does not know, and a runner that cannot start.

  The former are most likely ours, misspelt.
  """
  parsers = []
  _options([]).get_all_options(add_extra_args_fn=parsers.append)
  parsers[0].error = _refuse
  _, unknown = parsers[0].parse_known_args(list(arguments))
  if unknown:
    raise errors.UserError(
      "arguments must be flags of this command or of Apache Beam "
      f"(--name=value). Received: {unknown[0]!r}"
    )
  options = _options(arguments)
  values = options.get_all_options()
  if _kind(values) == _DIRECT:
    number = values["direct_num_workers"]
    errors.require(number >= 0, "direct_num_workers must be at least 0", number)
    return
  try:
    _import_beam().Pipeline(options=options)  # checks, and starts nothing
    _check_endpoint(_kind(values), values)
  except Exception as error:  # of any module that a runner names
    raise _cannot_run(arguments, error) from error


def _kind(values: dict) -> str:
  """Returns a runner's name as Beam looks it up: `flink` of FlinkRunner."""
  return (values["runner"] or _DIRECT).lower().removesuffix("runner")


def _cannot_run(arguments: Sequence[str], error: Exception) -> errors.UserError:
  reason = " ".join(str(error).split()) or type(error).__name__
  return errors.UserError(
    "options of Apache Beam must be those of a runner that can start. "
    f"Received: {' '.join(arguments)} ({reason[:_MOST_REASON]})"
  )


def _refuse(reason: str) -> None:
  raise errors.UserError(f"options of Apache Beam must be valid: {reason}")


def _check_endpoint(runner: str, values: dict) -> None:
  """Raises `OSError` or `ValueError` where no job server or master answers."""
  endpoint = values["job_endpoint"]
  if runner == "portable" and not endpoint:
    raise ValueError("--runner=PortableRunner needs --job_endpoint=host:port")
  if not endpoint and runner in _MASTERS:
    named = re.search(r"[^/]+:\d+(?=/?$)", values[_MASTERS[runner]] or "")
    endpoint = named and named.group()
  if endpoint and endpoint != "embed":
    host, _, port = endpoint.rpartition(":")
    with socket.create_connection((host, int(port)), _ANSWER_SECONDS):
      pass


def _import_beam():
  """Imports Beam without its report of clouds whose libraries are missing."""
  disabled = logging.root.manager.disable
  logging.disable(logging.WARNING)
  try:
    need = "preparing data needs Apache Beam"
    return extras.require("apache_beam", need, "data")
  finally:
    logging.disable(disabled)


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


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
  """Raises `KeyboardInterrupt` at Ctrl-C, of which Beam would log an error."""
  interrupted, disabled = threading.Event(), logging.root.manager.disable

  def interrupt(_) -> NoReturn:
    interrupted.set()
    logging.disable()
    # From now on threads of Beam find that their workers are no more.
    threading.excepthook = lambda _: None
    raise KeyboardInterrupt

  try:
    with signals.handling({signal.SIGINT: signals.raising(interrupt)}):
      yield
  except Exception as error:
    if interrupted.is_set():
      raise KeyboardInterrupt from error
    raise
  finally:
    logging.disable(disabled)


def _do(folder: str, label: str, function, task) -> None:
  index, content = task
  logging.getLogger("apache_beam").setLevel(logging.ERROR)
  was_enabled = gc.isenabled()
  gc.disable()  # it takes a fifth of the time and finds few cycles
  try:
    result = function(index, content)
  except errors.UserError as error:
    result = {_ERROR: str(error)}
  finally:
    if was_enabled:
      gc.enable()
  files.write_json(files.join(folder, result_name(label, index)), result)


@contextlib.contextmanager
def _progress(
  label: str, read: Callable[[], Collection[dict]], tasks: int, size: int
) -> Iterator[None]:
  """Tells what is done while its block runs, and at the end.

  On a terminal that is a line which changes, otherwise one every ten seconds.
  """
  old_bytes, start = _sum(read(), "bytes"), time.monotonic()
  end, is_terminal = threading.Event(), sys.stderr.isatty()

  def show(last: bool = False) -> None:
    seconds = time.monotonic() - start
    line = describe_progress(read(), tasks, size, old_bytes, seconds)
    first, clear = ("\r", "\x1b[K") if is_terminal else ("", "")
    print(
      f"{first}{label}: {line}{clear}",
      end="\n" if last or not is_terminal else "",
      file=sys.stderr,
      flush=True,
    )

  def watch() -> None:
    while not end.wait(1.0 if is_terminal else 10.0):
      show()

  thread = threading.Thread(target=watch, daemon=True)
  thread.start()
  try:
    yield
  finally:
    end.set()
    thread.join()
    show(last=True)


def describe_progress(
  results: Collection[dict],
  tasks: int,
  total_bytes: int,
  old_bytes: int,
  seconds: float,
) -> str:
  """Returns what is done, how fast, and the time that is left.

  `old_bytes` are those of an earlier run, which are not of this speed.
  """
  done = _sum(results, "bytes")
  speed = (done - old_bytes) / max(seconds, 1e-9)
  line = (
    f"{len(results)}/{tasks} pieces  {_sum(results, 'documents'):,} documents  "
    f"{done / 1e6:,.1f} MB  {speed / 1e6:,.1f} MB/s"
  )
  if len(results) == tasks:
    return f"{line}  {tqdm.tqdm.format_interval(seconds)}"
  if not speed:
    return line
  rest = max(total_bytes - done, 0) / speed
  return f"{line}  {tqdm.tqdm.format_interval(rest)} left"


def _sum(results: Collection[dict], key: str) -> int:
  return sum(result.get(key, 0) for result in results)
