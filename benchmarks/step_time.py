# SPDX-License-Identifier: Apache-2.0
"""What does a training step cost: BERT, token dropping as published, and ours?

    python -m benchmarks.step_time --output_dir=runs/step_time
    python -m benchmarks.step_time --output_dir=runs/step_time --report_only

Times Model Garden's BERT, the published token dropping built from its layers,
this project and, where it is installed, BERT in PyTorch: in one process, in
turns, with the same weights and data, for every combination of the flags. Then
measures the memory of each in a process of its own. Every measurement goes to
`step_time.json` at once: an interrupted run goes on.

Runs on the first GPU if TensorFlow sees one, on a TPU with `--tpu`, which has
not been tried; there PyTorch is left out. BERT-base at S = 512 takes about ten
minutes a case on two cores. Needs the extra `benchmarks`.
"""

import importlib.util
import pathlib
import shlex
import sys

import tensorflow as tf
from absl import flags

from benchmarks import case_flags
from benchmarks import length_plots
from benchmarks import step_case
from benchmarks import step_jobs
from benchmarks import step_plots
from benchmarks import step_report
from benchmarks import step_results
from token_dropping.common import errors
from token_dropping.common import provenance

REPORT = "step_time.md"
_POSITIVE = (lambda n: n > 0, "positive")
_NUMBERS = {"steps": (int, *_POSITIVE), "max_spread": (float, *_POSITIVE)}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines what to measure."""
  case_flags.define(values)
  flags.DEFINE_integer(
    "steps", 15, "Rounds of a step of each contender.", flag_values=values
  )
  flags.DEFINE_float(
    "max_spread",
    0.1,
    "Times of which the interquartile range over the median is larger are "
    "called too noisy.",
    flag_values=values,
  )
  flags.DEFINE_bool("alone", True, "Also measure memory.", flag_values=values)
  flags.DEFINE_bool(
    "report_only", False, "Measure nothing.", flag_values=values
  )
  flags.DEFINE_string("tpu", "", "Name of a TPU, or local.", flag_values=values)
  flags.DEFINE_string(
    "output_dir", "runs/step_time", "Where to write.", flag_values=values
  )


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Measures what is missing, writes the report, prints the targets."""
  del argv
  for name, rule in _NUMBERS.items():
    case_flags.read_numbers(values, name, *rule)
  cases, contenders = case_flags.read_cases(values), read_contenders(values)
  case_flags.make_output_dir(values)
  results = step_results.Results(values.output_dir)
  if not values.report_only:
    results.continue_on(provenance.this_machine(step_results.PACKAGES))
    jobs = _list_jobs(cases, contenders, values)
    _measure(results, jobs, _command(values.output_dir))
  errors.require(
    bool(results.cases()),
    f"--output_dir must hold {step_results.FILE} for a report",
    values.output_dir,
  )
  print(_write_report(results, values.output_dir, values.max_spread))


def read_contenders(values: flags.FlagValues) -> tuple[str, ...]:
  """Returns who is measured, without those that cannot be; says who not."""
  names = case_flags.read_contenders(values)
  errors.require(
    step_case.compared_with(names) is not None,
    f"--contenders must name {step_case.DENSE} or {step_case.MODERN_DENSE}, "
    "which the others are compared with",
    ",".join(names),
  )
  reason = None
  if not importlib.util.find_spec("torch"):
    reason = "torch is not installed"
  elif values.tpu:
    reason = "it would run on the CPU"
  elif tf.config.list_physical_devices("GPU"):
    reason = "on a GPU it runs alone, benchmarks/torch_bert.py"
  if reason and not set(names).isdisjoint(step_case.OF_TORCH):
    print(f"PyTorch is left out: {reason}", file=sys.stderr)
    names = [name for name in names if name not in step_case.OF_TORCH]
  return tuple(names)


def _list_jobs(
  cases: list[step_case.Case],
  contenders: tuple[str, ...],
  values: flags.FlagValues,
) -> list[step_jobs.Job]:
  jobs = []
  for case in cases:
    jobs.append(
      step_jobs.Job(step_jobs.TIMES, case, contenders, values.steps, values.tpu)
    )
    if values.alone:
      jobs += [step_jobs.alone(case, name, values.tpu) for name in contenders]
  return list(dict.fromkeys(jobs))


def _command(folder: str) -> str:
  """Returns this command; of where it writes, no more than the name."""
  name = pathlib.Path(folder).name
  arguments = [argument.replace(folder, name) for argument in sys.argv[1:]]
  return shlex.join(["python", "-m", "benchmarks.step_time", *arguments])


def _measure(
  results: step_results.Results, jobs: list[step_jobs.Job], command: str
) -> None:
  for number, job in enumerate(jobs, 1):
    if results.has(job):
      continue
    what = f"{job.kind} of {', '.join(job.contenders)}: {job.case}"
    print(f"[{number}/{len(jobs)}] {what}", file=sys.stderr, flush=True)
    try:
      result = step_jobs.run(job)
    except step_jobs.DoesNotFitError:
      print("  does not fit in memory", file=sys.stderr, flush=True)
      result = None
    results.add(job, result, command)


def _write_report(
  results: step_results.Results, folder: str, max_spread: float
) -> str:
  """Writes pictures and report; returns what is worth a look at once."""
  plots = step_plots.draw(results, folder) + length_plots.draw(results, folder)
  path = pathlib.Path(folder, REPORT)
  report = step_report.format_report(results, max_spread, plots)
  path.write_text(report, "utf-8")
  targets = step_report.target_table(results, max_spread)
  noise = step_report.noise_lines(results, max_spread)
  return "\n".join([targets, *noise, f"Report: {path}"])


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
