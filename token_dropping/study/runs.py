# SPDX-License-Identifier: Apache-2.0
"""The runs of a plan: their configs, commands and what decides about them."""

import dataclasses
import functools
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import exp_factory

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.batches import dataset_card
from token_dropping.study import plan as plans
from token_dropping.tasks import run_config
from token_dropping.training import config
from token_dropping.training import launch
from token_dropping.training import trainer

_MODE = "train_and_eval"
# Where a config names files: folders differ between machines.
_PATHS = ("input_path", "table_file", "vocab_file")


@dataclasses.dataclass(frozen=True)
class Folders:
  """Where a study reads data, writes runs and report, and keeps results."""

  data: str
  output: str
  results: str


@dataclasses.dataclass(frozen=True)
class Run:
  """One training; `folder` has all that it writes but its result."""

  variant: str
  seed: int
  folder: str
  params: cfg.ExperimentConfig
  identity: dict
  command: tuple[str, ...]

  @property
  def name(self) -> str:
    return _name(self.variant, self.seed)

  @property
  def model_dir(self) -> str:
    return os.path.join(self.folder, "model")


def prepare_data(plan: plans.Plan, data_dir: str) -> None:
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


def expand(
  plan: plans.Plan, folders: Folders, measured: dict | None = None
) -> list[Run]:
  """Returns the runs in their order: seed by seed, the variants as planned.

  `measured` is the identity of a result. With it the runs are those of its
  records, which need not be there, and can be compared with results alone.
  """
  fingerprints = {}
  return [
    _run(plan, variant, seed, folders, fingerprints, measured)
    for variant, seed in _planned(plan)
  ]


def find_measured(plan: plans.Plan, results: str) -> dict | None:
  """Returns the identity of the first result in a folder; `None`: no result."""
  for variant, seed in _planned(plan):
    path = result_path(results, _name(variant.name, seed))
    identity = (files.find_json(path) or {}).get("experiment")
    if isinstance(identity, dict) and isinstance(identity.get("config"), dict):
      return identity
  return None


def result_path(results: str, name: str) -> str:
  """Returns the path of a result by its name, such as that of a run."""
  return os.path.join(results, f"{name}.json")


def _planned(plan: plans.Plan) -> Iterator[tuple[plans.Variant, int]]:
  for seed in plan.seeds:
    for variant in plan.variants.values():
      if seed in variant.seeds:
        yield variant, seed


def _name(variant: str, seed: int) -> str:
  return f"{variant}_seed_{seed}"


def check_trainable(run: Run) -> None:
  """Checks what only training needs: losses to compare, devices, records."""
  try:
    encoder = run.params.task.model.encoder.get()
    rule = "drop_at_inference must be false: a study compares whole sequences, "
    rule += "and with task.dropped_validation dropped ones beside them"
    drops = getattr(encoder, "drop_at_inference", False)
    errors.require(not drops, f"task.model.encoder.any.{rule}", "true")
    trainer.check_devices(run.params.runtime)
    launch.check_records(run.params, _MODE)
  except errors.UserError as error:
    raise errors.UserError(f"variants.{run.variant}: {error}") from error


def _run(plan, variant, seed, folders, fingerprints: dict, measured) -> Run:
  flags = _flags(plan, variant, seed, folders)
  try:
    params = (config.parse if measured else config.prepare)(flags)
  except errors.UserError as error:
    raise errors.UserError(f"variants.{variant.name}: {error}") from error
  identity = {
    "name": plan.experiment,
    "config": _changed(_default(plan.experiment), params.as_dict()),
  }
  if measured:
    identity = _of_records(identity, measured)
  else:
    identity["data"] = _fingerprint_once(params, fingerprints)
  folder = os.path.join(folders.output, "runs", _name(variant.name, seed))
  train = command(flags, os.path.join(folder, "model"))
  return Run(variant.name, seed, folder, params, identity, train)


@functools.cache
def _default(experiment: str) -> dict:
  """What is new in this package, and not used, changes no identity."""
  params = exp_factory.get_exp_config(experiment)
  run_config.extend(params)
  return params.as_dict()


def _of_records(identity: dict, measured: dict) -> dict:
  """Returns an identity with what only records tell, as it was `measured`."""
  config, there = (
    {
      path: value
      for path, value in part["config"].items()
      if path.endswith(".vocab_file") == from_records
    }
    for part, from_records in ((identity, False), (measured, True))
  )
  told = {"config": config | there, "data": measured.get("data")}
  return identity | told


def _fingerprint_once(params: cfg.ExperimentConfig, known: dict) -> str:
  task = params.task
  paths = str([task.train_data.input_path, task.validation_data.input_path])
  if paths not in known:
    known[paths] = fingerprint(params)
  return known[paths]


def _flags(plan, variant, seed: int, folders) -> config.LaunchFlags:
  overrides = plans.merge(plan.overrides, variant.overrides)
  if plan.data is not None:
    folder = os.path.join(folders.data, plan.data.folder)
    paths = {
      f"task.{name}_data.input_path": os.path.join(folder, f"{name}-*")
      for name in ("train", "validation")
    }
    overrides = plans.merge(plans.nest(paths), overrides)
  seeds = {"task.seed": seed, "task.train_data.seed": seed}
  overrides = plans.merge(overrides, plans.nest(seeds))
  return config.LaunchFlags(
    experiment=plan.experiment,
    config_file=plan.config_files,
    params_override=json.dumps(overrides),
  )


def command(flags: config.LaunchFlags, model_dir: str) -> tuple[str, ...]:
  """Returns the command that trains and evaluates."""
  pretrained = [f"--pretrained={flags.pretrained}"] * bool(flags.pretrained)
  return (
    sys.executable,
    "-m",
    "token_dropping.train",
    f"--experiment={flags.experiment}",
    *pretrained,
    *(f"--config_file={path}" for path in flags.config_file),
    f"--params_override={flags.params_override}",
    f"--model_dir={model_dir}",
    f"--mode={_MODE}",
  )


def _changed(default, value, path: str = "") -> dict:
  """Returns the leaves that differ from a default, by dotted path."""
  if isinstance(default, dict) and isinstance(value, dict):
    leaves = {}
    for key, item in value.items():
      dotted = f"{path}.{key}" if path else key
      leaves |= _changed(default.get(key), item, dotted)
    return leaves
  default, value = (
    list(item) if isinstance(item, tuple) else item for item in (default, value)
  )
  if value == default or (default is None and value is False):
    return {}
  if path.rsplit(".", 1)[-1] in _PATHS and isinstance(value, str):
    value = os.path.basename(value)
  return {path: value}


def fingerprint(params: cfg.ExperimentConfig) -> str:
  """Returns what tells records from others: their card's files, or sizes."""
  content = []
  for data in (params.task.train_data, params.task.validation_data):
    card = dataset_card.read_card(data)
    content.append(_sizes(data) if card is None else card.get("files"))
  return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _sizes(data: cfg.DataConfig) -> list:
  paths = data.input_path
  patterns = paths.split(",") if isinstance(paths, str) else list(paths)
  return [
    [os.path.basename(path), tf.io.gfile.stat(path).length]
    for path in sorted(tf.io.gfile.glob(patterns))
  ]
