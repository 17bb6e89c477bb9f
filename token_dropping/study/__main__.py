# SPDX-License-Identifier: Apache-2.0
"""Trains variants side by side and reports what each saves and costs.

    python -m token_dropping.study --plan=studies/quick.yaml \\
      --data_dir=runs/quickstart --output_dir=runs/quick

A plan names variants of an experiment and seeds. All are trained on the same
data for the same steps; the report shows validation loss against steps, seconds
and multiply-adds. The same command goes on after a kill. docs/study.md says
how to read the report.
"""

import os

from absl import flags

from token_dropping.common import errors
from token_dropping.common import files


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  data = "Folder that the plan's data lie in. Default: OUTPUT_DIR/data."
  results = (
    "Folder of the results, a small file a run, from which a study goes on, on "
    "another machine too, and of study.md. Default: OUTPUT_DIR/results."
  )
  for name, text in (
    ("plan", "Path of the plan, a YAML file. Required."),
    ("output_dir", "Folder of the runs and the page. Required."),
    ("data_dir", data),
    ("results_dir", results),
  ):
    flags.DEFINE_string(name, "", text, flag_values=values)
  jobs = "How many runs at once, each on an equal share of the cores."
  flags.DEFINE_integer("jobs", 1, jobs, flag_values=values)
  rounds = (
    "Trains no runs, but times the steps of all variants that have results, in "
    "turns and in so many rounds, on a machine that does nothing else."
  )
  flags.DEFINE_integer("time_steps", 0, rounds, flag_values=values)
  report_only = "Report the results that there are, from them alone."
  flags.DEFINE_bool("report_only", False, report_only, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Runs the command."""
  errors.check_flags(argv, values, "plan", "output_dir")
  for name in ("output_dir", "results_dir"):
    path, rule = values[name].value, f"--{name} must be a local folder"
    errors.require("://" not in path, rule, repr(path))
    files.check_folder(path, f"--{name}")
  rule = "--time_steps must be 0 or more, and 0 with --report_only"
  rounds, only = values.time_steps, values.report_only
  errors.require(rounds >= 0 and not (rounds and only), rule, rounds)
  from token_dropping.study import runs  # TensorFlow: after wrong flags
  from token_dropping.study import session

  folder = values.output_dir
  folders = runs.Folders(
    values.data_dir or os.path.join(folder, "data"),
    folder,
    values.results_dir or os.path.join(folder, "results"),
  )
  study = session.Session(values.plan, folders, values.jobs, only)
  if rounds:
    study.time_steps(rounds)
  elif not only:
    study.run()
  print(study.report())


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
