# SPDX-License-Identifier: Apache-2.0
"""What does a training step cost: BERT, token dropping as published, and ours?

    python -m benchmarks.step_time --output_dir=runs/step_time
    python -m benchmarks.step_time --output_dir=runs/step_time --report_only

Times Model Garden's BERT, the published token dropping built from its layers,
this project and, where it is installed, Hugging Face's BERT in PyTorch: in one
process, in turns, with the same weights and data, for every combination of the
flags. Then measures the memory of each in a process of its own. Every
measurement goes to `step_time.json` at once: an interrupted run goes on.

Runs on the first GPU if TensorFlow sees one, on a TPU with `--tpu`, which has
not been tried; there PyTorch is left out. BERT-base at S = 512 takes about ten
minutes a case on two cores. Needs the extra `benchmarks`.
"""

import importlib.util
import itertools
import pathlib
import shlex
import sys

import tensorflow as tf
from absl import flags

from benchmarks import step_case
from benchmarks import step_jobs
from benchmarks import step_plots
from benchmarks import step_report
from benchmarks import step_results
from token_dropping.common import errors
from token_dropping.common import provenance

REPORT = "step_time.md"
_FLAGS = {
  flags.DEFINE_list: (
    ("widths", "256,512,768", "D; feed-forward of 4 D."),
    ("seq_lengths", "128,512,1024,2048", "S."),
    ("keep_ratios", "1.0,0.75,0.5,0.25", "K / S."),
    ("batch_sizes", "8,2,1,1", "B: one, or one for each S."),
    ("xla", "on,off", "`on`, `off`, or both."),
    ("dtypes", ",".join(step_case.DTYPES), "Numeric types."),
    ("contenders", ",".join(step_case.CONTENDERS), "Who is measured."),
  ),
  flags.DEFINE_integer: (
    ("num_layers", 12, "L."),
    ("vocab_size", 30522, "V."),
    ("steps", 15, "Rounds of a step of each contender."),
  ),
  flags.DEFINE_float: (
    ("dropout", 0.1, "Of all layers."),
    (
      *("max_spread", 0.1),
      "Times of which the interquartile range over the median is larger are "
      "called too noisy.",
    ),
  ),
  flags.DEFINE_bool: (
    ("norm_first", False, "Normalized before each block."),
    ("alone", True, "Also measure memory."),
    ("report_only", False, "Measure nothing."),
  ),
  flags.DEFINE_string: (
    ("tpu", "", "Name of a TPU, or local."),
    ("output_dir", "runs/step_time", "Where to write."),
  ),
}
_SWITCH = {"on": True, "off": False}
_HEAD, _SPECIAL = step_case.HEAD_WIDTH, step_case.FIRST_WORD
# Of numbers: their type, what must hold, and the rule in words.
_NUMBERS = {
  "widths": (
    *(int, lambda n: n > 0 and (n < _HEAD or n % _HEAD == 0)),
    f"whole numbers, multiples of {_HEAD} or smaller ones",
  ),
  "seq_lengths": (int, lambda n: n > 1, "whole numbers above 1"),
  "keep_ratios": (float, lambda n: 0 < n <= 1, "numbers in (0, 1]"),
  "batch_sizes": (int, lambda n: n > 0, "positive whole numbers"),
  "num_layers": (int, lambda n: n > 1, "at least 2"),
  "vocab_size": (
    *(int, lambda n: n > _SPECIAL),
    f"above {_SPECIAL}, the special ids",
  ),
  "dropout": (float, lambda n: 0 <= n < 1, "in [0, 1)"),
  "steps": (int, lambda n: n > 0, "positive"),
  "max_spread": (float, lambda n: n > 0, "positive"),
}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines what to measure."""
  for define, rows in _FLAGS.items():
    for name, default, text in rows:
      define(name, default, text, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Measures what is missing, writes the report, prints the targets."""
  del argv
  cases, contenders = read_cases(values), read_contenders(values)
  results = step_results.Results(values.output_dir)
  if not values.report_only:
    results.continue_on(provenance.this_machine(step_results.PACKAGES))
    _measure(results, _list_jobs(cases, contenders, values))
  errors.require(
    bool(results.cases()),
    f"--output_dir must hold {step_results.FILE} for a report",
    values.output_dir,
  )
  print(_write_report(results, values.output_dir, values.max_spread))


def read_cases(values: flags.FlagValues) -> list[step_case.Case]:
  """Returns every combination of the flags; raises `UserError`."""
  numbers = {name: _numbers(values, name) for name in _NUMBERS}
  lengths, batches = numbers["seq_lengths"], numbers["batch_sizes"]
  errors.require(
    len(batches) in (1, len(lengths)),
    f"--batch_sizes must be one, or one for each of {len(lengths)} sequence "
    "lengths",
    ",".join(values.batch_sizes),
  )
  if len(batches) == 1:
    batches *= len(lengths)
  return [
    step_case.Case(
      width=width,
      num_layers=values.num_layers,
      vocab_size=values.vocab_size,
      seq_length=length,
      keep_ratio=ratio,
      batch_size=batch,
      xla=_SWITCH[switch],
      dtype=dtype,
      dropout=values.dropout,
      norm_first=values.norm_first,
    )
    for switch, dtype, width, (length, batch), ratio in itertools.product(
      _words(values, "xla", tuple(_SWITCH)),
      _words(values, "dtypes", step_case.DTYPES),
      numbers["widths"],
      zip(lengths, batches, strict=True),
      numbers["keep_ratios"],
    )
  ]


def read_contenders(values: flags.FlagValues) -> tuple[str, ...]:
  """Returns who is measured, without those that cannot be; says who not."""
  names = _words(values, "contenders", step_case.CONTENDERS)
  errors.require(
    step_case.DENSE in names,
    f"--contenders must name {step_case.DENSE}, which the others are compared "
    "with",
    ",".join(names),
  )
  reason = None
  if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
    reason = "torch and transformers are not installed"
  elif values.tpu or tf.config.list_physical_devices("GPU"):
    reason = "it would run on the CPU"
  elif values.norm_first:
    reason = "its BERT is normalized after each block"
  if step_case.TORCH in names and reason:
    print(f"{step_case.TORCH} is left out: {reason}", file=sys.stderr)
    names.remove(step_case.TORCH)
  return tuple(names)


def _numbers(values: flags.FlagValues, name: str) -> list:
  """Returns the number or numbers of a flag."""
  kind, holds, rule = _NUMBERS[name]
  value = values[name].value
  received = value if isinstance(value, list) else [str(value)]
  try:
    numbers = [kind(text) for text in received]
  except ValueError:
    numbers = []
  errors.require(
    numbers and all(map(holds, numbers)),
    f"--{name} must be {rule}",
    ",".join(received),
  )
  return numbers


def _words(
  values: flags.FlagValues, name: str, allowed: tuple[str, ...]
) -> list[str]:
  received = values[name].value
  errors.require(
    received and set(received) <= set(allowed),
    f"--{name} must be some of {', '.join(allowed)}",
    ",".join(received),
  )
  return [word for word in allowed if word in received]


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


def _measure(results: step_results.Results, jobs: list[step_jobs.Job]) -> None:
  command = shlex.join(["python", "-m", "benchmarks.step_time", *sys.argv[1:]])
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
  plots = step_plots.draw(results, folder)
  path = pathlib.Path(folder, REPORT)
  report = step_report.format_report(results, max_spread, plots)
  path.write_text(report, "utf-8")
  targets = step_report.target_table(results, max_spread)
  noise = step_report.noise_lines(results, max_spread)
  return "\n".join([targets, *noise, f"Report: {path}"])


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
