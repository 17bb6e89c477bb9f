# SPDX-License-Identifier: Apache-2.0
"""Measures in a process of its own: `run` starts it, `main` is inside.

A process sets the numeric type once and for all, only a fresh one says what a
step alone takes of memory, and it may die of too little memory.

Linux keeps the largest resident set of a process (`VmHWM`) and sets it back on
request, so that building and compiling do not hide the step. A compiled step
does not show in it: TensorFlow keeps the memory of its temporaries for the next
one. XLA writes down what it allocates for them (`--xla_dump_to`).
"""

import ctypes
import dataclasses
import gc
import os
import pathlib
import pickle
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import tensorflow as tf
from official.core import config_definitions as cfg

from benchmarks import step_case
from benchmarks import step_variants
from token_dropping.common import errors
from token_dropping.training import trainer as trainer_lib

TIMES, ALONE = "times", "alone"  # kinds of jobs
WARM_UP_ROUNDS = 2  # after the compiling one: buffers, caches

_ROOT = pathlib.Path(__file__).parents[1]
_KILLED = -9  # what the system does where memory runs out
_OUT_OF_MEMORY = re.compile(
  "bad_alloc|can't allocate memory|oom when allocating|out of memory", re.I
)
_RAISED = re.compile(r"^[\w.]+(?:Error|Exception)\b.*", re.M)
_PROCESS = pathlib.Path("/proc/self")
_TEMPORARY = re.compile(r"^allocation \d+: size (\d+), preallocated-temp", re.M)

Step = Callable[[], object]


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


def alone(case: step_case.Case, contender: str, tpu: str = "") -> Job:
  """Returns the job for a contender's memory.

  Who keeps all has no ratio, and PyTorch's does not depend on XLA either.
  """
  if contender not in step_case.DROPPING:
    case = dataclasses.replace(case, keep_ratio=1.0)
  if contender in step_case.OF_TORCH:
    case = dataclasses.replace(case, xla=False)
  return Job(ALONE, case, (contender,), tpu=tpu)


def run(job: Job) -> dict:
  """Runs a job in a new process; raises `DoesNotFitError` if memory ends."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / "job").write_bytes(pickle.dumps(job))
    with open(folder / "log", "wb") as log:
      code = subprocess.run(
        [sys.executable, "-m", "benchmarks.step_jobs", name],
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=_ROOT,
        env=os.environ | _environment(job, name),
      ).returncode
    check_end(code, (folder / "log").read_text("utf-8", errors="replace"))
    return pickle.loads((folder / "result").read_bytes())


def _environment(job: Job, folder: str) -> dict[str, str]:
  # PyTorch's threads must not spin while it is another one's turn.
  variables = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_WAIT_POLICY": "PASSIVE"}
  if job.kind == ALONE and job.case.xla:
    options = os.environ.get("XLA_FLAGS", "")
    variables["XLA_FLAGS"] = f"{options} --xla_dump_to={folder}/dump"
  return variables


def check_end(code: int, log: str) -> None:
  """Raises unless a process ended well, by exit code and what it printed."""
  if code == _KILLED or (code and _OUT_OF_MEMORY.search(log)):
    raise DoesNotFitError
  raised = [f"exit code {code}", *_RAISED.findall(log)]
  errors.require(code == 0, "a measuring process must succeed", raised[-1])


def main(folder: str) -> None:
  """Reads a job, measures, writes the result."""
  # If memory runs out, the system is to take it from here.
  (_PROCESS / "oom_score_adj").write_text("1000")
  path = pathlib.Path(folder)
  job = pickle.loads((path / "job").read_bytes())
  if job.kind == TIMES:
    result = measure_times(job)
  else:
    result = measure_alone(job, path / "dump")
  (path / "result").write_bytes(pickle.dumps(result))


def measure_times(job: Job) -> dict:
  """Times all contenders in turns; BERTs have the weights of the dense one."""
  strategy = make_strategy(job.case.dtype, job.tpu)
  steps = {name: _make_step(job, name, strategy) for name in job.contenders}
  if step_case.DENSE in steps:
    tensors = steps[step_case.DENSE].tensors()
    for name in steps.keys() - {*step_case.OF_MODERN}:
      steps[name].load(tensors)
  first = {name: _time(step) for name, step in steps.items()}
  return {"first": first, "seconds": interleaved(steps, job.rounds)}


def interleaved(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
  """Times steps in turns, A B A B, so that a slow minute slows all alike."""
  seconds = {name: [] for name in steps}
  for index in range(WARM_UP_ROUNDS + rounds):
    for name, step in steps.items():
      taken = _time(step)
      if index >= WARM_UP_ROUNDS:
        seconds[name].append(taken)
  return seconds


def _time(step: Step) -> float:
  start = time.perf_counter()
  step()
  return time.perf_counter() - start


def measure_alone(job: Job, dump: pathlib.Path) -> dict:
  """Measures the memory of one contender, in bytes; `None`: cannot be read.

  `peak` is beyond what the process has before the model is built: weights,
  optimizer, compiled program and step; `step` is a step alone.
  """
  (contender,) = job.contenders
  strategy = make_strategy(job.case.dtype, job.tpu)
  if contender in step_case.OF_TORCH:
    from benchmarks import torch_bert  # noqa: F401  not the model's memory
  empty = resident_bytes()
  step = _make_step(job, contender, strategy)
  for _ in range(2):  # compiles; makes what is made late
    step()
  gc.collect()
  between = resident_bytes()
  peak = peak_bytes(step)
  temporary = temporary_bytes(dump)
  return {
    "peak": peak - empty,
    "step": peak - between if temporary is None else temporary,
    "gpu": gpu_peak_bytes(step),
  }


def resident_bytes() -> int:
  """Returns the size of the process in memory, freed pages given back."""
  ctypes.CDLL(None).malloc_trim(0)
  return _read_status("VmRSS")


def peak_bytes(step: Step) -> int:
  """Runs a step and returns the largest size of the process meanwhile."""
  ctypes.CDLL(None).malloc_trim(0)
  (_PROCESS / "clear_refs").write_text("5")  # VmHWM begins anew
  step()
  return _read_status("VmHWM")


def _read_status(name: str) -> int:
  status = (_PROCESS / "status").read_text()
  return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M).group(1)) * 1024


def gpu_peak_bytes(step: Step) -> int | None:
  """Runs a step and returns the peak of the first GPU; `None` without one."""
  if not tf.config.list_physical_devices("GPU"):
    return None
  tf.config.experimental.reset_memory_stats("GPU:0")
  step()
  return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def temporary_bytes(dump: pathlib.Path) -> int | None:
  """Returns what XLA's largest program, the step, allocates for temporaries."""
  paths = dump.glob("*after_optimizations-buffer-assignment.txt")
  path = max(paths, key=lambda path: path.stat().st_size, default=None)
  if path is None:
    return None
  text = path.read_text("utf-8", errors="replace")
  return sum(map(int, _TEMPORARY.findall(text)))


def _make_step(job: Job, contender: str, strategy):
  if contender in step_case.OF_TORCH:
    from benchmarks import torch_bert  # an extra: it may be missing

    everywhere = contender == step_case.TORCH_EVERYWHERE
    return torch_bert.Step(job.case, everywhere)
  return step_variants.Step(job.case, contender, strategy)


def make_strategy(dtype: str, tpu: str = "") -> tf.distribute.Strategy:
  """Returns the strategy of the TPU, the first GPU or the CPU."""
  return trainer_lib.make_strategy(
    cfg.RuntimeConfig(
      distribution_strategy="tpu" if tpu else "one_device",
      tpu=tpu or None,
      num_gpus=min(1, len(tf.config.list_physical_devices("GPU"))),
      mixed_precision_dtype=dtype,
    )
  )


if __name__ == "__main__":
  main(*sys.argv[1:])
