# SPDX-License-Identifier: Apache-2.0
"""The runs of a plan: their configs, commands and beginnings."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.study import forks
from token_dropping.study import identities
from token_dropping.study import plan as plans
from token_dropping.training import config
from token_dropping.training import continuation
from token_dropping.training import launch
from token_dropping.training import trainer

_MODE = "train_and_eval"
_TABLE = "task.model.encoder.any.importance.table_file"


@dataclasses.dataclass(frozen=True)
class Folders:
  """Where a study reads data, writes runs and report, and keeps results."""

  data: str
  output: str
  results: str


@dataclasses.dataclass(frozen=True)
class Run:
  """One training; `folder` has all that it writes but its result.

  Attributes:
    trunk: the training that it goes on from; `None`: it begins anew.
    until: where it ends, if it is a trunk; 0: at the end of its variant.
  """

  variant: str
  seed: int
  folder: str
  params: cfg.ExperimentConfig
  identity: dict
  command: tuple[str, ...]
  trunk: "Run | None" = None
  until: int = 0

  @property
  def name(self) -> str:
    return _name(self.variant, self.seed, self.until)

  @property
  def last_step(self) -> int:
    return self.until or self.params.trainer.train_steps

  @property
  def model_dir(self) -> str:
    return os.path.join(self.folder, "model")


def prepare_data(plan: plans.Plan, data_dir: str) -> None:
  """Makes the records of a plan that says how; they may be there already."""
  own = [variant.data for variant in plan.variants.values()]
  for data in filter(None, [plan.data, *own]):
    if data.prepare is not None:
      _prepare(data, data_dir)


def _prepare(data: plans.DataSource, data_dir: str) -> None:
  command = [sys.executable, "-m", "token_dropping.data.prepare"]
  command += settings_flags(data.prepare, ("input", "vocab_file"), data_dir)
  command.append(f"--output_dir={os.path.join(data_dir, data.folder)}")
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

  return [
    f"--{name}={_below(value, data_dir) if name in files else value}"
    for name, value in settings.items()
  ]


def _below(paths: str, folder: str) -> str:
  return ",".join(
    path if ":" in path else os.path.join(folder, path)
    for path in paths.split(",")
  )


def expand(
  plan: plans.Plan, folders: Folders, measured: dict | None = None
) -> list[Run]:
  """Returns the runs in their order: seed by seed, the variants as planned.

  `measured` has what `find_measured` found. With it the runs are those of its
  records, which need not be there, and can be compared with results alone.
  """
  expansion = _Expansion(plan, folders, measured)
  return [expansion.run(variant, seed) for variant, seed in _planned(plan)]


def find_measured(plan: plans.Plan, results: str) -> dict[str, dict]:
  """Returns the identity of the first result of each data; empty: no result.

  The keys are the folders that variants have of their own, and an empty one.
  """
  measured = {}
  for variant, seed in _planned(plan):
    path = result_path(results, _name(variant.name, seed))
    identity = (files.find_json(path) or {}).get("experiment")
    end = sys.maxsize
    while isinstance(identity, dict) and isinstance(
      identity.get("config"), dict
    ):
      measured.setdefault(_own_folder(variant), identity)
      fork, identity = forks.before(variant.fork, end), identity.get("fork")
      if fork is not None:
        variant, end = plan.variants[fork.variant], fork.step
  return measured


def result_path(results: str, name: str) -> str:
  """Returns the path of a result by its name, such as that of a run."""
  return os.path.join(results, f"{name}.json")


def _planned(plan: plans.Plan) -> Iterator[tuple[plans.Variant, int]]:
  for seed in plan.seeds:
    for variant in plan.variants.values():
      if seed in variant.seeds:
        yield variant, seed


def _name(variant: str, seed: int, until: int = 0) -> str:
  """Returns the name of a run; those of trunks are no other run's."""
  name = f"trunks/{variant}_{until}" if until else variant
  return f"{name}_seed_{seed}"


def _own_folder(variant: plans.Variant) -> str:
  return variant.data.folder if variant.data else ""


def check_trainable(run: Run) -> None:
  """Checks what only training needs: losses to compare, devices, records."""
  with errors.named(f"variants.{run.variant}: "):
    encoder = run.params.task.model.encoder.get()
    rule = "drop_at_inference must be false: a study compares whole sequences, "
    rule += "and with task.dropped_validation dropped ones beside them"
    drops = getattr(encoder, "drop_at_inference", False)
    errors.require(not drops, f"task.model.encoder.any.{rule}", "true")
    trainer.check_devices(run.params.runtime)
    launch.check_records(run.params, _MODE)


class _Expansion:
  """The runs of a plan, and what several of them share."""

  def __init__(self, plan: plans.Plan, folders: Folders, measured):
    self._plan = plan
    self._folders = folders
    self._measured = measured
    self._params = {}

  def run(self, variant: plans.Variant, seed: int, until: int = 0) -> Run:
    """Returns the run of a variant, or with `until` a trunk of it."""
    flags = _flags(self._plan, variant, seed, self._folders)
    params = self._read(variant, seed, flags)
    trunk = self._trunk(variant, seed, until or sys.maxsize)
    name = _name(variant.name, seed, until)
    folder = os.path.join(self._folders.output, "runs", name)
    begun = _begun(flags, params, trunk, until)
    return Run(
      variant.name,
      seed,
      folder,
      params,
      self._identity(variant, params, trunk, until),
      command(begun, os.path.join(folder, "model")),
      trunk,
      until,
    )

  def _trunk(self, variant: plans.Variant, seed: int, end: int) -> Run | None:
    fork = forks.before(variant.fork, end)
    if fork is None:
      return None
    source = self._plan.variants[fork.variant]
    trunk = self.run(source, seed, fork.step)
    if not self._measured:
      with errors.named(f"variants.{variant.name}: "):
        forks.check_fit(fork, trunk.params, self._params[variant.name, seed])
    return trunk

  def _read(self, variant: plans.Variant, seed: int, flags):
    """Returns the config of a variant's whole training, checked."""
    key = (variant.name, seed)
    if key not in self._params:
      read = config.parse if self._measured else config.prepare
      with errors.named(f"variants.{variant.name}: "):
        self._params[key] = read(flags)
    return self._params[key]

  def _identity(self, variant, params, trunk: Run | None, until: int) -> dict:
    """Returns what decides about a run, which its own trunk does not."""
    identity = {
      "name": self._plan.experiment,
      "config": identities.changed(self._plan.experiment, params),
    }
    if self._measured:
      measured = self._measured.get(_own_folder(variant), {"config": {}})
      identity = identities.of_records(identity, measured)
    else:
      identity["data"] = identities.fingerprint(params)
    if trunk is not None and trunk.variant != variant.name:
      identity["fork"] = trunk.identity
    return identity | ({"step": until} if until else {})


def _flags(plan, variant, seed: int, folders) -> config.LaunchFlags:
  overrides = _paths(plan.data, folders, "train", "validation")
  for tree in (
    plan.overrides,
    _paths(variant.data, folders, "train"),
    variant.overrides,
    plans.nest({"task.seed": seed, "task.train_data.seed": seed}),
  ):
    overrides = plans.merge(overrides, tree)
  overrides = plans.merge(overrides, _table(overrides, folders))
  return config.LaunchFlags(
    experiment=plan.experiment,
    config_file=plan.config_files,
    params_override=json.dumps(overrides),
  )


def _paths(source: plans.DataSource | None, folders, *names: str) -> dict:
  """Returns, as overrides, where the records of a source lie."""
  if source is None:
    return {}
  folder = os.path.join(folders.data, source.folder)
  return plans.nest(
    {
      f"task.{name}_data.input_path": os.path.join(folder, f"{name}-*")
      for name in names
    }
  )


def _table(overrides: dict, folders) -> dict:
  """Returns, as overrides, where a table of importance lies.

  What is no path is left to the rules of the config.
  """
  value = overrides
  for name in _TABLE.split("."):
    value = value.get(name) if isinstance(value, dict) else None
  is_path = isinstance(value, str) and bool(value)
  return plans.nest({_TABLE: _below(value, folders.data)} if is_path else {})


def _begun(
  flags: config.LaunchFlags,
  params: cfg.ExperimentConfig,
  trunk: Run | None,
  until: int,
) -> config.LaunchFlags:
  """Returns the flags of a run that goes on from a trunk, or ends as one.

  What depends on the steps of the whole training, such as the rate, is filled
  in before a trunk is made to end earlier.
  """
  overrides = json.loads(flags.params_override)
  if until:
    leaves = identities.changed(flags.experiment, params)
    leaves = {k: v for k, v in leaves.items() if not identities.is_path(k)}
    overrides = plans.merge(plans.nest(leaves), overrides)
    end = plans.nest({"trainer.train_steps": until})
    overrides = plans.merge(overrides, end)
  if trunk is not None:
    prefix = os.path.join(trunk.model_dir, f"ckpt-{trunk.until}")
    start = plans.nest({continuation.SOURCE: prefix})
    overrides = plans.merge(overrides, start)
  return dataclasses.replace(flags, params_override=json.dumps(overrides))


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
