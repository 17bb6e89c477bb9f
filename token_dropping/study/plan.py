# SPDX-License-Identifier: Apache-2.0
"""The plan of a study: which variants to train, on what, with which seeds.

    experiment: bert/token_drop
    overrides: {trainer.train_steps: 6000}
    seeds: [1, 2]
    dense: dense
    variants:
      dense: {task.model.encoder.any.token_keep_ratio: 1.0}
      mlm_loss: {}
      half: {task.model.encoder.any.token_keep_ratio: 0.75, seeds: [1]}

docs/study.md explains all keys.
"""

import dataclasses
import os
import re
from collections.abc import Mapping

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_yaml
from token_dropping.common import shipped_files
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.pretraining import prepare_settings
from token_dropping.study import forks

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


@dataclasses.dataclass(frozen=True)
class DataSource:
  """Records below `--data_dir`; `prepare` makes those that are not there."""

  folder: str = "records"
  prepare: dict | None = None


@dataclasses.dataclass(frozen=True)
class _Own:
  """The keys of a variant that are no overrides."""

  seeds: list | None = None
  data: DataSource | None = None
  fork: forks.Fork | None = None


@dataclasses.dataclass(frozen=True)
class Variant:
  """What one row of the table stands for; overrides are on the plan's.

  Attributes:
    seeds: without any it has no row, and only others may go on from it.
    data: to train on; `None`: the plan's, on which all are evaluated.
    fork: the beginning of its training; `None`: it has one of its own.
  """

  name: str
  overrides: dict
  seeds: list
  data: DataSource | None = None
  fork: forks.Fork | None = None


@dataclasses.dataclass(frozen=True)
class Downstream:
  """A task that runs are fine-tuned on: those of `variants`; `None`: all.

  `data` are settings of the command `finetune`. The score is the median over
  `seeds`; `None`: the seed of the run.
  """

  data: dict
  experiment: str = "bert/token_drop_glue"
  config_files: list[str] = dataclasses.field(default_factory=list)
  overrides: dict = dataclasses.field(default_factory=dict)
  seeds: list | None = None
  variants: list | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
  """A study; the fields are the keys of its file.

  Attributes:
    variants: by name, in the order of the file.
    dense: the variant that others are compared with.
    seeds: of all variants that do not narrow them.
    data: of the training; `None`: the overrides name them.
    fork: of all variants that do not say theirs.
    downstream: by the name of the task.
  """

  experiment: str
  variants: dict[str, Variant]
  dense: str
  seeds: list
  config_files: list[str] = dataclasses.field(default_factory=list)
  overrides: dict = dataclasses.field(default_factory=dict)
  data: DataSource | None = None
  fork: forks.Fork | None = None
  downstream: dict[str, Downstream] = dataclasses.field(default_factory=dict)


def read_plan(path: str) -> Plan:
  """Reads a plan; what its overrides mean is checked elsewhere."""
  tree = plain_yaml.read_yaml(path, "--plan")
  plan = config_overrides.read_settings(Plan, tree, path, "a plan")
  _check_seeds(plan.seeds, f"{path}: seeds")
  rule = f"{path}: variants must be a mapping of variants"
  errors.require(bool(plan.variants), rule, plan.variants)
  _check_data(plan.data, path, "data")
  plan = dataclasses.replace(
    _completed(plan, path),
    variants={
      key: _variant(key, value, plan, path)
      for key, value in plan.variants.items()
    },
    downstream={
      key: _task(key, value, plan.variants, path)
      for key, value in plan.downstream.items()
    },
  )
  errors.require(
    plan.dense in plan.variants,
    f"{path}: dense must be one of the variants"
    f"{config_overrides.nearest(plan.dense, plan.variants)}",
    repr(plan.dense),
  )
  seeds = plan.variants[plan.dense].seeds
  rule = f"{path}: variants.{plan.dense}.seeds must be some, since it is dense"
  errors.require(bool(seeds), rule, seeds)
  forks.check(plan.variants, path)
  return plan


def _completed(part, path: str):
  """Returns a part with paths that can be opened and nested overrides."""
  folder = os.path.dirname(path) or "."
  found = [shipped_files.find(file, folder) for file in part.config_files]
  return dataclasses.replace(
    part,
    config_files=found,
    overrides=nest(part.overrides, f"{path}: overrides"),
  )


def nest(overrides: Mapping, where: str = "overrides") -> dict:
  """Returns overrides with dotted keys as nested dictionaries.

  What gives a key two values is a `UserError`, which names `where` it stands.

  >>> nest({"task.seed": 1, "task": {"data.path": "x"}})
  {'task': {'seed': 1, 'data': {'path': 'x'}}}
  """
  tree = {}
  for key, value in overrides.items():
    branch = nest(value, where) if isinstance(value, Mapping) else value
    for part in reversed(str(key).split(".")):
      branch = {part: branch}
    tree = merge(tree, branch, where)
  return tree


def merge(tree: dict, other: dict, once: str = "") -> dict:
  """Returns two nested dictionaries as one; where both have a value, `other`'s.

  With `once`, which names them in the `UserError`, both must not have one.

  >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
  {'a': {'b': 1, 'c': 3}}
  """
  merged = dict(tree)
  for key, value in other.items():
    both = isinstance(value, dict) and isinstance(merged.get(key), dict)
    rule = f"{once} must name every key once"
    errors.require(both or not once or key not in tree, rule, f"{key} twice")
    merged[key] = merge(merged[key], value, once) if both else value
  return merged


def _check_name(name, where: str) -> None:
  errors.require(
    isinstance(name, str) and _NAME.fullmatch(name) is not None,
    f"{where} must be at most 100 letters, digits, _ . -",
    errors.shorten(name),
  )


def _task(name, value, variants: Mapping, path: str) -> Downstream:
  _check_name(name, f"{path}: a name in downstream")
  part = f"downstream.{name}."
  rule = f"{path}: {part[:-1]} must be a mapping with data"
  errors.require(isinstance(value, dict), rule, errors.shorten(value))
  task = config_overrides.read_settings(Downstream, value, path, "a plan", part)
  settings = finetune_settings.FinetuneSettings
  own = "output_dir", "pretrained"
  _check_settings(task.data, settings, path, f"{part}data.", *own)
  if task.seeds is not None:
    _check_seeds(task.seeds, f"{path}: {part}seeds")
  unknown = [name for name in task.variants or () if name not in variants]
  rule = f"{path}: {part}variants must be some of the variants"
  errors.require(not unknown, rule, unknown)
  return _completed(task, path)


def _variant(name, value, plan: Plan, path: str) -> Variant:
  _check_name(name, f"{path}: a name in variants")
  where = f"{path}: variants.{name}"
  overrides = {} if value is None else value
  rule = f"{where} must be a mapping of overrides"
  errors.require(isinstance(overrides, dict), rule, errors.shorten(value))
  names = {field.name for field in dataclasses.fields(_Own)}
  given = {key: overrides[key] for key in names & overrides.keys()}
  rest = {key: item for key, item in overrides.items() if key not in names}
  part = f"variants.{name}."
  own = config_overrides.read_settings(_Own, given, path, "a plan", part)
  seeds = plan.seeds if own.seeds is None else own.seeds
  if seeds:
    _check_seeds(seeds, f"{where}.seeds")
  rule = f"{where}.seeds must be some of the plan's seeds {plan.seeds}"
  errors.require(set(seeds) <= set(plan.seeds), rule, seeds)
  _check_data(own.data, path, f"{part}data")
  fork = own.fork if "fork" in given else plan.fork
  return Variant(name, nest(rest, where), seeds, own.data, fork)


def _check_data(data: DataSource | None, path: str, part: str) -> None:
  if data is None:
    return
  rule = f"{path}: {part}.folder must be the name of a folder below --data_dir"
  errors.require(files.is_below(data.folder), rule, repr(data.folder))
  if data.prepare:
    settings, place = prepare_settings.PrepareSettings, f"{part}.prepare."
    _check_settings(data.prepare, settings, path, place, "output_dir")


def _check_seeds(seeds, where: str) -> None:
  fine = isinstance(seeds, list) and 0 < len(seeds) == len(set(map(str, seeds)))
  errors.require(
    fine and all(type(seed) is int and 0 <= seed < 2**31 for seed in seeds),
    f"{where} must be a list of different whole numbers in [0, 2^31)",
    errors.shorten(seeds),
  )


def _check_settings(
  tree: dict, settings: type, path: str, part: str, *own: str
) -> None:
  """Checks settings of a command but its `own`, which the study sets."""
  known = {field.name for field in dataclasses.fields(settings)} - set(own)
  config_overrides.check_keys(tree, known, path, "a plan", part)
  whole = tree | dict.fromkeys(own, "set by the study")
  config_overrides.read_settings(settings, whole, path, "a plan", part)
