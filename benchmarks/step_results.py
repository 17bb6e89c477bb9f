# SPDX-License-Identifier: Apache-2.0
"""What was measured, in one JSON file that grows with every measurement."""

import dataclasses
import datetime
import json
import pathlib
import statistics

from benchmarks import step_case
from benchmarks import step_jobs
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import provenance

FILE = "step_time.json"
PACKAGES = ("tensorflow", "tf-models-official", "torch", "transformers")
MIN_ROUNDS = 4  # fewer have no quartiles worth the name


@dataclasses.dataclass(frozen=True)
class Summary:
  """Median seconds of one contender, and interquartile range over median.

  The spread of fewer than `MIN_ROUNDS` is `None`.

  >>> Summary.of([10.0, 1.0, 3.0, 2.0, 4.0])
  Summary(median=3.0, spread=0.6666666666666666)
  >>> Summary.of([1.0, 2.0, 6.0])
  Summary(median=2.0, spread=None)
  """

  median: float
  spread: float | None

  @classmethod
  def of(cls, seconds: list[float]) -> "Summary":
    median = statistics.median(seconds)
    if len(seconds) < MIN_ROUNDS:
      return cls(median, None)
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return cls(median, (high - low) / median)


def noise(summaries: list[Summary], bound: float) -> str:
  """Says why times cannot be compared, or nothing if they can.

  >>> noise([Summary(1.0, 0.02), Summary(2.0, 0.3)], bound=0.1)
  'too noisy to tell (spread 0.300, bound 0.1)'
  >>> noise([Summary(1.0, 0.5), Summary(2.0, None)], bound=0.1)
  'too few rounds to tell (at least 4)'
  >>> noise([Summary(1.0, 0.02), Summary(2.0, 0.1)], bound=0.1)
  ''
  """
  spreads = [summary.spread for summary in summaries]
  if None in spreads:
    return f"too few rounds to tell (at least {MIN_ROUNDS})"
  if max(spreads, default=0.0) > bound:
    return f"too noisy to tell (spread {max(spreads):.3f}, bound {bound:g})"
  return ""


class Results:
  """The measurements of one machine, in a folder that is made if missing."""

  def __init__(self, folder: str):
    self._path = pathlib.Path(folder, FILE)
    self.machine, self._records = {}, {}
    if self._path.exists():
      try:
        content = json.loads(self._path.read_text("utf-8"))
        self.machine = content["machine"]
        for record in content["records"].values():
          self._records[_key(record)] = record
      except (ValueError, KeyError, TypeError) as error:
        raise errors.UserError(
          f"{self._path} must be a file of this benchmark. "
          f"Received: {errors.first_line(error)}"
        ) from error

  def continue_on(self, machine: dict) -> None:
    """Refuses measurements of another machine; remembers this one."""
    if self.machine not in ({}, machine):
      raise errors.UserError(
        "--output_dir must be new or hold measurements of this machine with "
        f"these versions. Received: {self._path}, of "
        f"{provenance.describe(self.machine)}"
      )
    self.machine = machine

  def has(self, job: step_jobs.Job) -> bool:
    """Whether a job needs no measuring: done, or known not to fit."""
    record = self._records.get(_key(dataclasses.asdict(job)))
    return record is not None and (
      record["result"] is None or record["rounds"] >= job.rounds
    )

  def add(self, job: step_jobs.Job, result: dict | None, command: str) -> None:
    """Writes a measurement down; `None` where it does not fit memory."""
    record = dataclasses.asdict(job) | {
      "commit": provenance.commit(),
      "date": datetime.date.today().isoformat(),
      "command": command,
      "result": result,
    }
    self._records[_key(record)] = record
    content = {"machine": self.machine, "records": self._records}
    files.make_folder(str(self._path.parent))
    files.write(str(self._path), json.dumps(content, indent=1) + "\n")

  def cases(self) -> list[step_case.Case]:
    times = (r for r in self._records.values() if r["kind"] == step_jobs.TIMES)
    return list(dict.fromkeys(step_case.Case(**r["case"]) for r in times))

  def times(self, case: step_case.Case) -> dict[str, Summary]:
    seconds = self._of_most("seconds", case)
    return {name: Summary.of(rounds) for name, rounds in seconds.items()}

  def first_calls(self, case: step_case.Case) -> dict[str, float]:
    return self._of_most("first", case)

  def _of_most(self, name: str, case: step_case.Case) -> dict:
    """Returns what was timed of most contenders, if several times."""
    timings = [
      record["result"][name]
      for record in self._records.values()
      if record["kind"] == step_jobs.TIMES
      and record["result"]
      and step_case.Case(**record["case"]) == case
    ]
    return max(timings, key=len, default={})

  def alone(self, case: step_case.Case, contender: str) -> dict:
    """Returns what a contender takes of memory, nothing if it is not known."""
    job = step_jobs.alone(case, contender)
    record = self._records.get(_key(dataclasses.asdict(job)), {})
    return record.get("result") or {}

  def facts(self, name: str) -> list[str]:
    return sorted({record[name] for record in self._records.values()})


def _key(record: dict) -> str:
  case = dataclasses.asdict(step_case.Case(**record["case"]))
  values = ",".join(f"{name}={value}" for name, value in case.items())
  return f"{record['kind']} {'+'.join(record['contenders'])} {values}"
