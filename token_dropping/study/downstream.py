# SPDX-License-Identifier: Apache-2.0
"""The fine-tuning that follows every run of a plan that has one."""

import dataclasses
import json
import os
import sys
import types

from official.core import exp_factory

from token_dropping import config_overrides
from token_dropping import errors
from token_dropping import experiments
from token_dropping import plain_yaml
from token_dropping import run_scores
from token_dropping import train
from token_dropping.data import finetune_settings
from token_dropping.study import data
from token_dropping.study import plan as plans
from token_dropping.study import runs

_FILES = ("train_file", "validation_file", "test_file", "input_dir")


def check(part: plans.Downstream) -> None:
  """Checks settings and keys; what depends on a run is checked with it.

  Args:
    part: of the plan.

  Raises:
    UserError: the first rule that is broken.
  """
  path = "downstream"
  errors.require(
    part.experiment in experiments.FINETUNING_NAMES,
    f"{path}.experiment must be one of "
    f"{', '.join(experiments.FINETUNING_NAMES)}",
    repr(part.experiment),
  )
  params = exp_factory.get_exp_config(part.experiment)
  config_overrides.apply_overrides(params, part.overrides, f"{path}.overrides")
  own = {"output_dir": "-", "pretrained": "-"}
  try:
    finetune_settings.FinetuneSettings(**part.data, **own)
  except errors.UserError as error:
    raise errors.UserError(f"{path}.data: {error}") from error


def identity(part: plans.Downstream) -> dict:
  """Returns what decides about scores, beside the run, of JSON values.

  Args:
    part: of the plan.
  """
  files = [plain_yaml.read_yaml(path) for path in part.config_files]
  own = dataclasses.asdict(part)
  return own | {"config_files": files}


def commands(
  part: plans.Downstream, run: runs.Run, data_dir: str
) -> tuple[tuple[str, ...], ...]:
  """Returns what prepares the data for a run and fine-tunes it.

  Args:
    part: of the plan.
    run: its pretraining is complete when they are run.
    data_dir: folder that the data lie in.
  """
  values = _flags(part, run)
  python = (sys.executable, "-m")
  prepare = (
    *python,
    "token_dropping.data.finetune",
    *data.settings_flags(part.data, _FILES, data_dir),
    f"--pretrained={run.model_dir}",
    f"--output_dir={_folder(run, 'data')}",
  )
  return prepare, runs.command(values, _folder(run, "model"))


def measure(part: plans.Downstream, run: runs.Run) -> dict:
  """Returns what the best checkpoint scores on the validation data.

  Args:
    part: of the plan.
    run: whose fine-tuning is complete.

  Returns:
    `downstream`, the leading score; `downstream_scores`, all by name.
  """
  params = train.prepare(_flags(part, run))
  scores = run_scores.read_best(params, _folder(run, "model"))["scores"]
  return {
    "downstream": next(iter(scores.values())),
    "downstream_scores": scores,
  }


def _flags(part: plans.Downstream, run: runs.Run) -> types.SimpleNamespace:
  own = {"task.data_dir": _folder(run, "data"), "task.seed": run.seed}
  overrides = plans.merge(part.overrides, plans.nest(own))
  return types.SimpleNamespace(
    experiment=part.experiment,
    config_file=list(part.config_files),
    params_override=json.dumps(overrides),
    pretrained=run.model_dir,
    tpu=None,
    tf_data_service="",
  )


def _folder(run: runs.Run, name: str) -> str:
  return os.path.join(run.folder, "downstream", name)
