# SPDX-License-Identifier: Apache-2.0
"""The records of a study, made once where its plan says how."""

import os
import subprocess
import sys

from token_dropping.common import errors
from token_dropping.study import plan as plans


def prepare(plan: plans.Plan, data_dir: str) -> None:
  """Makes the records of a plan that says how; they may be there already."""
  if plan.data is None or plan.data.prepare is None:
    return
  command = [sys.executable, "-m", "token_dropping.data.prepare"]
  command += settings_flags(plan.data.prepare, ("input",), data_dir)
  command.append(f"--output_dir={os.path.join(data_dir, plan.data.folder)}")
  done = subprocess.run(command, capture_output=True, text=True)
  lines = [line for line in done.stderr.splitlines() if line.strip()]
  errors.require(
    done.returncode == 0,
    "data.prepare must be settings of token_dropping.data.prepare that work",
    lines[-1] if lines else f"exit code {done.returncode}",
  )


def settings_flags(
  settings: dict, files: tuple[str, ...], data_dir: str
) -> list[str]:
  """Returns settings as flags; those in `files` are paths below a folder.

  What has a colon, such as `gensim:enwiki` or `gs://`, is not below it.

  >>> settings_flags({"input": "a.txt,gs://b/c", "seed": 1}, ("input",), "data")
  ['--input=data/a.txt,gs://b/c', '--seed=1']
  """

  def below(paths: str) -> str:
    return ",".join(
      path if ":" in path else os.path.join(data_dir, path)
      for path in paths.split(",")
    )

  return [
    f"--{name}={below(value) if name in files else value}"
    for name, value in settings.items()
  ]
