# SPDX-License-Identifier: Apache-2.0
"""The process that measures; started by `step_jobs`.

    python -m benchmarks.step_child FOLDER

FOLDER has a file `job`; a file `result` is added, both JSON, and XLA's `dump`
where one is asked for.
"""

import gc
import json
import pathlib
import sys

import tensorflow as tf
from official.core import config_definitions as cfg

from benchmarks import step_case
from benchmarks import step_jobs
from benchmarks import step_memory
from benchmarks import step_profile
from benchmarks import step_variants
from benchmarks import timing
from token_dropping.training import trainer as trainer_lib


def main(folder: str) -> None:
  """Reads a job, measures, writes the result."""
  # If memory runs out, the system is to take it from here.
  pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
  path = pathlib.Path(folder)
  job = step_jobs.Job.read(path / "job")
  if job.kind == step_jobs.TIMES:
    result = measure_times(job)
  else:
    result = measure_alone(job, path / "dump")
  (path / "result").write_text(json.dumps(result), "utf-8")


def measure_times(job: step_jobs.Job) -> dict:
  """Times all contenders in turns.

  Returns:
    `first`, the seconds of the first call, which compiles, by contender, and
    `seconds`, lists of those of the rounds.
  """
  strategy = _make_strategy(job)
  steps = {name: _make_step(job, name, strategy) for name in job.contenders}
  _share_weights(steps)
  first = timing.first_calls(steps)
  return {"first": first, "seconds": timing.interleaved(steps, job.rounds)}


def measure_alone(job: step_jobs.Job, dump: pathlib.Path) -> dict:
  """Measures memory and profile of one contender.

  Args:
    job: with one contender.
    dump: where XLA writes; there only if it does.

  Returns:
    `peak`, bytes of the process beyond what it has before the model is built:
    weights, optimizer, compiled program and step; `step`, those of a step
    alone; `gpu`, the peak of a GPU; `profile`, seconds by class. What cannot be
    read is `None`.
  """
  (contender,) = job.contenders
  strategy = _make_strategy(job)
  if contender == step_case.TORCH:
    from benchmarks import torch_bert  # noqa: F401  not the model's memory
  empty = step_memory.resident_bytes()
  step = _make_step(job, contender, strategy)
  for _ in range(2):  # compiles; makes what is made late
    step()
  gc.collect()
  between = step_memory.resident_bytes()
  peak = step_memory.peak_bytes(step)
  temporary = step_memory.temporary_bytes(dump)
  return {
    "peak": peak - empty,
    "step": peak - between if temporary is None else temporary,
    "gpu": step_memory.gpu_peak_bytes(step),
    "profile": step_profile.profile(step, dump),
  }


def _make_step(job: step_jobs.Job, contender: str, strategy):
  if contender == step_case.TORCH:
    from benchmarks import torch_bert  # an extra: it may be missing

    return torch_bert.Step(job.case)
  return step_variants.Step(job.case, contender, strategy)


def _share_weights(steps: dict) -> None:
  """Gives all the weights of dense BERT."""
  tensors = steps[step_case.DENSE].tensors()
  for step in steps.values():
    step.load(tensors)


def _make_strategy(job: step_jobs.Job) -> tf.distribute.Strategy:
  """Returns the strategy of the TPU, the first GPU or the CPU."""
  return trainer_lib.make_strategy(
    cfg.RuntimeConfig(
      distribution_strategy="tpu" if job.tpu else "one_device",
      tpu=job.tpu or None,
      num_gpus=min(1, len(tf.config.list_physical_devices("GPU"))),
      mixed_precision_dtype=job.case.dtype,
    )
  )


if __name__ == "__main__":
  main(*sys.argv[1:])
