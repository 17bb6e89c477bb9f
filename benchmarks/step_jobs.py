# SPDX-License-Identifier: Apache-2.0
"""Runs a measurement in a process of its own.

A process sets the numeric type once and for all, only a fresh one says what a
step alone takes of memory, and it may die of too little memory.
"""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from benchmarks import step_case
from token_dropping.common import errors

TIMES, ALONE = "times", "alone"  # kinds of jobs

_ROOT = pathlib.Path(__file__).parents[1]
_KILLED = -9  # what the system does where memory runs out
_OUT_OF_MEMORY = (
  "bad_alloc",
  "can't allocate memory",
  "oom when allocating",
  "out of memory",
)
_RAISED = re.compile(r"^[\w.]+(?:Error|Exception)\b.*", re.M)


class DoesNotFitError(Exception):
  """A job needs more memory than the machine has."""


@dataclasses.dataclass(frozen=True)
class Job:
  """What a process measures: times, or the memory of a contender `alone`."""

  kind: str
  case: step_case.Case
  contenders: tuple[str, ...]
  rounds: int = 1
  tpu: str = ""

  @classmethod
  def read(cls, path: str) -> "Job":
    content = json.loads(pathlib.Path(path).read_text("utf-8"))
    case = step_case.Case(**content["case"])
    names = tuple(content["contenders"])
    return cls(**content | {"case": case, "contenders": names})


def alone(case: step_case.Case, contender: str, tpu: str = "") -> Job:
  """Returns the job for a contender's memory.

  Who keeps all has no ratio, and PyTorch's does not depend on XLA either.
  """
  if contender not in step_case.DROPPING:
    case = dataclasses.replace(case, keep_ratio=1.0)
  if contender == step_case.TORCH:
    case = dataclasses.replace(case, xla=False)
  return Job(ALONE, case, (contender,), tpu=tpu)


def run(job: Job) -> dict:
  """Runs a job in a new process; raises `DoesNotFitError` if memory ends."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    content = json.dumps(dataclasses.asdict(job))
    (folder / "job").write_text(content, "utf-8")
    with open(folder / "log", "wb") as log:
      code = subprocess.run(
        [sys.executable, "-m", "benchmarks.step_child", name],
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=_ROOT,
        env=os.environ | _environment(job, name),
      ).returncode
    check_end(code, (folder / "log").read_text("utf-8", errors="replace"))
    return json.loads((folder / "result").read_text("utf-8"))


def _environment(job: Job, folder: str) -> dict[str, str]:
  """Returns what a process finds set, beside what there is already."""
  variables = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # PyTorch's threads must not spin while it is another one's turn.
    "OMP_WAIT_POLICY": "PASSIVE",
  }
  if job.kind == ALONE and job.case.xla:
    options = os.environ.get("XLA_FLAGS", "")
    variables["XLA_FLAGS"] = f"{options} --xla_dump_to={folder}/dump"
  return variables


def check_end(code: int, log: str) -> None:
  """Raises unless a process ended well, by exit code and what it printed."""
  out_of_memory = any(words in log.lower() for words in _OUT_OF_MEMORY)
  if code == _KILLED or (code and out_of_memory):
    raise DoesNotFitError
  raised = [f"exit code {code}", *_RAISED.findall(log)]
  errors.require(code == 0, "a measuring process must succeed", raised[-1])
