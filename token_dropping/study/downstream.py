# SPDX-License-Identifier: Apache-2.0
"""The fine-tunings that follow every run of a plan that has them, by task.

Some fine-tunings never leave chance: of several seeds the median counts, as in
RoBERTa's report (Liu et al. 2019, section 5.1).
"""

import dataclasses
import json
import os
import statistics
import sys

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import plain_yaml
from token_dropping.models import networks
from token_dropping.study import plan as plans
from token_dropping.study import runs
from token_dropping.tasks import experiments
from token_dropping.training import best_checkpoint
from token_dropping.training import config

_FILES = ("train_file", "validation_file", "test_file", "input_dir")


def check_plan(task: str, part: plans.Downstream, pretraining: str) -> None:
  """Checks experiment and keys; what depends on a run is checked with it.

  The experiment must be of the network that `pretraining` is of.
  """
  own = (
    c.network
    for c in networks.CONFIGS
    if pretraining.startswith(f"{c.network}/")
  )
  network = next(own, networks.CONFIGS[0].network)
  names = experiments.FINETUNING_NAMES
  names = [name for name in names if name.startswith(f"{network}/")]
  rule = f"downstream.{task}.experiment must be one of {', '.join(names)}"
  errors.require(part.experiment in names, rule, repr(part.experiment))
  params = experiments.get(part.experiment)
  overrides = part.overrides
  where = f"downstream.{task}.overrides"
  config_overrides.apply_overrides(params, overrides, where)


def identity(part: plans.Downstream, run: runs.Run) -> dict:
  """Returns what decides about the scores of a run, of JSON values."""
  files = [plain_yaml.read_yaml(path) for path in part.config_files]
  fields = dataclasses.asdict(part) | {"config_files": files}
  del fields["variants"]  # who else is fine-tuned
  return {"run": run.identity, **fields}


def commands(
  task: str, part: plans.Downstream, run: runs.Run, data_dir: str
) -> tuple[tuple[str, ...], ...]:
  """Returns what prepares data for a pretrained run and fine-tunes by seed."""
  prepare = (
    sys.executable,
    "-m",
    "token_dropping.data.finetune",
    *runs.settings_flags(part.data, _FILES, data_dir),
    f"--pretrained={run.model_dir}",
    f"--output_dir={_folder(task, run, 'data')}",
  )
  trainings = [
    runs.command(
      _flags(task, part, run, seed), _folder(task, run, f"model_seed_{seed}")
    )
    for seed in _seeds(part, run)
  ]
  return prepare, *trainings


def measure(task: str, part: plans.Downstream, run: runs.Run) -> dict:
  """Returns the best checkpoints' scores, and the median of the leading one.

  Of several seeds there is a `deviation`, the standard one of leading scores.
  """
  all_scores = []
  for seed in _seeds(part, run):
    params = config.prepare(_flags(task, part, run, seed))
    folder = _folder(task, run, f"model_seed_{seed}")
    best = best_checkpoint.read_scores(params, folder)
    all_scores.append({"seed": seed, **best["scores"]})
  leading = [list(scores.values())[1] for scores in all_scores]
  result = {"score": statistics.median(leading), "scores": all_scores}
  if len(leading) > 1:
    result["deviation"] = statistics.stdev(leading)
  return result


def _seeds(part: plans.Downstream, run: runs.Run) -> list[int]:
  return [run.seed] if part.seeds is None else part.seeds


def _flags(task: str, part, run: runs.Run, seed: int) -> config.LaunchFlags:
  own = {"task.data_dir": _folder(task, run, "data"), "task.seed": seed}
  overrides = plans.merge(part.overrides, plans.nest(own))
  return config.LaunchFlags(
    experiment=part.experiment,
    config_file=part.config_files,
    params_override=json.dumps(overrides),
    pretrained=run.model_dir,
  )


def _folder(task: str, run: runs.Run, name: str) -> str:
  return os.path.join(run.folder, "downstream", task, name)
