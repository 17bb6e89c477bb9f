# SPDX-License-Identifier: Apache-2.0
"""From flags to a checked experiment config.

Model Garden's order: registered experiment, then every `--config_file`, then
`--tpu` and `--tf_data_service`, then `--params_override`. `--pretrained` gives
fine-tuning its encoder before any file is read. Every key and type is checked
against the experiment's dataclasses before it is applied.
"""

import copy
import dataclasses
import functools
import os
import re
from collections.abc import Sequence

import tensorflow as tf
from official.core import config_definitions as cfg
from official.modeling.hyperparams import params_dict

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.tasks import experiments
from token_dropping.training import trained_run


@dataclasses.dataclass(frozen=True)
class LaunchFlags:
  """Flags that decide about the config; `pretrained` is a run to fine-tune."""

  experiment: str
  config_file: Sequence[str] | None = ()
  params_override: str | None = ""
  tpu: str | None = None
  tf_data_service: str | None = ""
  pretrained: str = ""


def parse(flags: LaunchFlags) -> cfg.ExperimentConfig:
  """Builds the experiment config; what follows from the data is filled in."""
  params = copy.deepcopy(_registered(flags.experiment))
  if flags.pretrained:
    _use_pretrained(params, flags)
  for path in flags.config_file or []:
    config_overrides.apply_overrides(
      params, plain_yaml.read_yaml(path), source=path
    )
  if flags.tpu is not None:
    params.runtime.tpu = flags.tpu
  if flags.tf_data_service:
    params.task.train_data.tf_data_service_address = flags.tf_data_service
    params.task.validation_data.tf_data_service_address = flags.tf_data_service
  if flags.params_override:
    overrides = parse_overrides(flags.params_override)
    config_overrides.apply_overrides(
      params, overrides, source="--params_override"
    )
  experiments.hooks_of(params).fill_in()
  _let_decay_follow_training(params)
  params.validate()
  return params


@functools.cache
def _registered(experiment: str) -> cfg.ExperimentConfig:
  """Returns an experiment's defaults; Model Garden builds them slowly."""
  try:
    return experiments.get(experiment)
  except (LookupError, TypeError) as error:  # TypeError: half a name, "bert"
    raise errors.UserError(
      f"--experiment must be one of {', '.join(experiments.NAMES)}. "
      f"Received: {experiment!r}"
    ) from error


def _use_pretrained(params: cfg.ExperimentConfig, flags: LaunchFlags) -> None:
  hooks = experiments.hooks_of(params)
  errors.require(
    hooks.takes_pretrained,
    "--pretrained must be unset but for "
    f"{' and '.join(experiments.FINETUNING_NAMES)}; "
    "task.init_checkpoint starts pretraining from a checkpoint",
    f"{flags.pretrained!r} with --experiment={flags.experiment}",
  )
  run = trained_run.TrainedRun.read(flags.pretrained, source="--pretrained")
  vocab_file = os.path.join(flags.pretrained, vocabulary.FILE)
  hooks.use_pretrained(run.encoder, vocab_file, run.checkpoint)


def parse_overrides(text: str) -> dict:
  """Parses `--params_override`: `a.b=1,c=2`, YAML, JSON, or a file's name."""
  try:
    text = params_dict.nested_csv_str_to_json_str(text)
  except ValueError:  # not a list of key=value; YAML, or the name of a file
    if not re.search(r"[:{\n]\s", text) and not text.lstrip().startswith("{"):
      return _read_override_file(text)
  return plain_yaml.load_yaml(text, source="--params_override")


def _read_override_file(path: str) -> dict:
  if not tf.io.gfile.exists(path):
    raise errors.UserError(
      "--params_override must be key=value pairs with commas between them, "
      f"YAML, JSON or the name of a file. Received: {errors.shorten(path)}"
    )
  return plain_yaml.read_yaml(path)


def _let_decay_follow_training(params: cfg.ExperimentConfig) -> None:
  """An unset `decay_steps` means `train_steps`."""
  schedule = params.trainer.optimizer_config.learning_rate.get()
  for field in ("decay_steps", "total_decay_steps"):
    if schedule is not None and getattr(schedule, field, 0) is None:
      setattr(schedule, field, params.trainer.train_steps)
