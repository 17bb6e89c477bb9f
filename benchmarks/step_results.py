# SPDX-License-Identifier: Apache-2.0
"""What was measured, in one JSON file that grows with every measurement."""

import dataclasses
import datetime
import json
import pathlib

from benchmarks import step_case
from benchmarks import step_jobs
from benchmarks import timing
from token_dropping.common import errors
from token_dropping.common import provenance

FILE = "step_time.json"
PACKAGES = ("tensorflow", "tf-models-official", "torch", "transformers")


class Results:
  """The measurements of one machine, by what was measured.

  Args:
    folder: of the file; made if it is missing.

  Raises:
    UserError: the file is no JSON.
  """

  def __init__(self, folder: str):
    self._path = pathlib.Path(folder, FILE)
    self.machine, self._records = {}, {}
    if self._path.exists():
      try:
        content = json.loads(self._path.read_text("utf-8"))
        self.machine = content["machine"]
        self._records = content["records"]
      except (ValueError, KeyError, TypeError) as error:
        raise errors.UserError(
          f"{self._path} must be a file of this benchmark. "
          f"Received: {errors.first_line(error)}"
        ) from error

  def continue_on(self, machine: dict) -> None:
    """Refuses measurements of another machine; remembers this one.

    Raises:
      UserError: the file holds those of another.
    """
    if self.machine not in ({}, machine):
      raise errors.UserError(
        "--output_dir must be new or hold measurements of this machine with "
        f"these versions. Received: {self._path}, of "
        f"{provenance.describe(self.machine)}"
      )
    self.machine = machine

  def has(self, job: step_jobs.Job) -> bool:
    """Whether a job needs no measuring: done, or known not to fit."""
    record = self._records.get(_key(job.kind, job.case, job.contenders))
    if record is None:
      return False
    return record["result"] is None or record["rounds"] >= job.rounds

  def add(self, job: step_jobs.Job, result: dict | None, command: str) -> None:
    """Writes a measurement down; `None` where it does not fit memory."""
    self._records[_key(job.kind, job.case, job.contenders)] = {
      "kind": job.kind,
      "case": dataclasses.asdict(job.case),
      "contenders": list(job.contenders),
      "rounds": job.rounds,
      "commit": provenance.commit(),
      "date": datetime.date.today().isoformat(),
      "command": command,
      "result": result,
    }
    content = {"machine": self.machine, "records": self._records}
    self._path.parent.mkdir(parents=True, exist_ok=True)
    part = self._path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    part.replace(self._path)

  def cases(self) -> list[step_case.Case]:
    """Returns the cases that were timed, or do not fit, without repetition."""
    times = (r for r in self._records.values() if r["kind"] == step_jobs.TIMES)
    return list(dict.fromkeys(step_case.Case(**r["case"]) for r in times))

  def times(self, case: step_case.Case) -> dict[str, timing.Summary]:
    """Returns the times of a case by contender; empty if it does not fit.

    Of several measurements with other contenders, that with the most.
    """
    found = [
      {
        name: timing.Summary.of(seconds)
        for name, seconds in record["result"]["seconds"].items()
      }
      for record in self._of(step_jobs.TIMES, case)
    ]
    return max(found, key=len, default={})

  def first_calls(self, case: step_case.Case) -> dict[str, float]:
    """Returns the seconds of first calls, which compile, by contender."""
    found = [r["result"]["first"] for r in self._of(step_jobs.TIMES, case)]
    return max(found, key=len, default={})

  def alone(self, case: step_case.Case, contender: str) -> dict | None:
    """Returns memory and profile of a contender, if they were measured."""
    key = _key(step_jobs.ALONE, alone_case(case, contender), (contender,))
    return self._records.get(key, {}).get("result")

  def facts(self, name: str) -> list[str]:
    """Returns all values of `commit`, `date` or `command`, each once."""
    return sorted({record[name] for record in self._records.values()})

  def _of(self, kind: str, case: step_case.Case) -> list[dict]:
    return [
      record
      for record in self._records.values()
      if record["kind"] == kind
      and record["result"]
      and record["case"] == dataclasses.asdict(case)
    ]


def alone_case(case: step_case.Case, contender: str) -> step_case.Case:
  """Returns what decides about a contender: who keeps all has no ratio.

  PyTorch's does not depend on XLA either.
  """
  if contender not in step_case.DROPPING:
    case = dataclasses.replace(case, keep_ratio=1.0)
  if contender == step_case.TORCH:
    case = dataclasses.replace(case, xla=False)
  return case


def _key(kind: str, case: step_case.Case, contenders: tuple[str, ...]) -> str:
  values = ",".join(f"{k}={v}" for k, v in dataclasses.asdict(case).items())
  return f"{kind} {'+'.join(contenders)} {values}"
