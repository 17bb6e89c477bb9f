# SPDX-License-Identifier: Apache-2.0
"""What does a training step cost: BERT, token dropping as published, and ours?

    python -m benchmarks.step_time --output_dir=runs/step_time
    python -m benchmarks.step_time --output_dir=runs/step_time --report_only

Times Model Garden's BERT, the published token dropping built from the layers
that Model Garden ships, this project and, where it is installed, Hugging Face's
BERT in PyTorch: in one process, in turns, with the same weights and data, for
every combination of the flags. Then measures the memory of each in a process of
its own and, with XLA, where its time goes. Every measurement is written to
`step_time.json` at once and not repeated: an interrupted run goes on.
`step_time.md` and the plots are made from that file.

Runs on the first GPU if TensorFlow sees one, on a TPU with `--tpu`, which has
not been tried; there PyTorch is left out. BERT-base at S = 512 takes about ten
minutes a case on two cores. Needs the extra `benchmarks`.
"""

import importlib.util
import pathlib
import shlex
import sys

from absl import flags

from benchmarks import step_case
from benchmarks import step_flags
from benchmarks import step_jobs
from benchmarks import step_report
from benchmarks import step_results
from benchmarks import step_targets
from token_dropping.common import errors
from token_dropping.common import provenance

REPORT = "step_time.md"


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Measures what is missing, writes the report, prints the targets."""
  del argv
  cases = step_flags.read_cases(values)
  contenders = step_flags.read_contenders(values)
  errors.require(
    values.max_spread > 0, "--max_spread must be positive", values.max_spread
  )
  errors.require(
    importlib.util.find_spec("matplotlib") is not None,
    "matplotlib must be installed, with the extra `benchmarks`",
    "no such package",
  )
  results = step_results.Results(values.output_dir)
  if not values.report_only:
    results.continue_on(provenance.this_machine(step_results.PACKAGES))
    command = shlex.join(
      ["python", "-m", "benchmarks.step_time", *sys.argv[1:]]
    )
    measure(results, list_jobs(cases, contenders, values), command)
  print(write_report(results, values.output_dir, values.max_spread))


def list_jobs(
  cases: list[step_case.Case],
  contenders: tuple[str, ...],
  values: flags.FlagValues,
) -> list[step_jobs.Job]:
  """Returns what to measure: for each case times, then memory and profile."""
  jobs = []
  for case in cases:
    jobs.append(
      step_jobs.Job(step_jobs.TIMES, case, contenders, values.steps, values.tpu)
    )
    if values.alone:
      jobs += [
        step_jobs.Job(
          step_jobs.ALONE,
          step_results.alone_case(case, name),
          (name,),
          tpu=values.tpu,
        )
        for name in contenders
      ]
  return list(dict.fromkeys(jobs))


def measure(
  results: step_results.Results, jobs: list[step_jobs.Job], command: str
) -> None:
  """Runs the jobs that are not done yet, telling how far it is."""
  for number, job in enumerate(jobs, 1):
    what = f"{job.kind} of {', '.join(job.contenders)}: {job.case}"
    if results.has(job):
      continue
    print(f"[{number}/{len(jobs)}] {what}", file=sys.stderr, flush=True)
    try:
      result = step_jobs.run(job)
    except step_jobs.DoesNotFitError:
      print("  does not fit in memory", file=sys.stderr, flush=True)
      result = None
    results.add(job, result, command)


def write_report(
  results: step_results.Results, folder: str, max_spread: float
) -> str:
  """Writes report and plots; returns a summary.

  Raises:
    UserError: nothing has been measured.
  """
  errors.require(
    bool(results.cases()),
    f"--output_dir must hold {step_results.FILE} for a report",
    folder,
  )
  from benchmarks import step_plots  # needs matplotlib

  plots = step_plots.draw(results, folder)
  path = pathlib.Path(folder, REPORT)
  report = step_report.format_report(results, max_spread, plots)
  path.write_text(report, "utf-8")
  noise = step_report.noise_lines(results, max_spread)
  targets = step_targets.table(results, max_spread)
  return "\n".join([targets, *noise, f"Report: {path}"])


if __name__ == "__main__":
  step_flags.define_flags()
  errors.run_command(main)
