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

docs/quality.md explains all keys.
"""

import dataclasses
import os
import re
from collections.abc import Mapping

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import plain_yaml
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.pretraining import prepare_settings

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# Settings of the data commands that the study sets itself.
_OWN_SETTINGS = frozenset({"output_dir", "pretrained"})


@dataclasses.dataclass(frozen=True)
class Variant:
  """What one row of the table stands for.

  Attributes:
    name: of letters, digits, `_`, `.` and `-`.
    overrides: nested, on the overrides of the plan.
    seeds: with which it is trained.
  """

  name: str
  overrides: dict
  seeds: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class DataSource:
  """Prepared records.

  Attributes:
    folder: of `train-*`, `validation-*` and `dataset.json`, below `--data_dir`.
    prepare: settings of `token_dropping.data.prepare` to make them with; its
      `input` lies below `--data_dir`. `None`: they are there.
  """

  folder: str = "records"
  prepare: dict | None = None


@dataclasses.dataclass(frozen=True)
class Downstream:
  """A fine-tuning of every run.

  Attributes:
    data: settings of `token_dropping.data.finetune`; its files lie below
      `--data_dir`.
    experiment: of fine-tuning.
    config_files: YAML of the fine-tuning, beside the plan.
    overrides: nested, on those.
    seeds: of the fine-tunings, whose median is the score; `None`: one, with the
      seed of the run.
  """

  data: dict
  experiment: str = "bert/token_drop_glue"
  config_files: tuple[str, ...] = ()
  overrides: dict = dataclasses.field(default_factory=dict)
  seeds: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
  """A study.

  Attributes:
    name: of the file, without ending.
    experiment: as `--experiment` of `token_dropping.train`.
    variants: by name, in the order of the file.
    dense: name of the variant that others are compared with.
    seeds: of all variants that do not narrow them.
    config_files: paths of YAML files that all variants begin with.
    overrides: nested, on those.
    data: of the training; `None`: the overrides name them.
    downstream: what to fine-tune, if anything.
  """

  name: str
  experiment: str
  variants: dict[str, Variant]
  dense: str
  seeds: tuple[int, ...]
  config_files: tuple[str, ...] = ()
  overrides: dict = dataclasses.field(default_factory=dict)
  data: DataSource | None = None
  downstream: Downstream | None = None


def read(path: str) -> Plan:
  """Reads a plan; what its overrides mean is checked elsewhere.

  Args:
    path: of the YAML file.

  Raises:
    UserError: an unknown key, a value of another type, an unknown variant.
  """
  tree = plain_yaml.read_yaml(path, "--plan")
  name = os.path.splitext(os.path.basename(path))[0]
  folder = os.path.dirname(path)
  known = {field.name for field in dataclasses.fields(Plan)} - {"name"}
  _check_keys(tree, known, path)
  for key in ("experiment", "dense"):
    _require(isinstance(tree.get(key), str), path, key, "a string", tree)
  seeds = _seeds(tree.get("seeds"), f"{path}: seeds")
  variants = _mapping(tree, "variants", path)
  _require(bool(variants), path, "variants", "a mapping of variants", tree)
  read_variants = {
    key: _variant(key, value, seeds, path) for key, value in variants.items()
  }
  errors.require(
    tree["dense"] in read_variants,
    f"{path}: dense must be one of the variants"
    f"{config_overrides.nearest(tree['dense'], read_variants)}",
    repr(tree["dense"]),
  )
  return Plan(
    name=name,
    experiment=tree["experiment"],
    variants=read_variants,
    dense=tree["dense"],
    seeds=seeds,
    config_files=_config_files(tree, path, folder),
    overrides=nest(_mapping(tree, "overrides", path)),
    data=_data(tree, path),
    downstream=_downstream(tree, path, folder),
  )


def nest(overrides: Mapping) -> dict:
  """Returns overrides with dotted keys as nested dictionaries.

  >>> nest({"task.seed": 1, "task": {"data.path": "x"}})
  {'task': {'seed': 1, 'data': {'path': 'x'}}}
  """
  tree = {}
  for key, value in overrides.items():
    branch = nest(value) if isinstance(value, Mapping) else value
    for part in reversed(str(key).split(".")):
      branch = {part: branch}
    tree = merge(tree, branch)
  return tree


def merge(tree: dict, other: dict) -> dict:
  """Returns two nested dictionaries as one; where both have a value, `other`'s.

  >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
  {'a': {'b': 1, 'c': 3}}
  """
  merged = dict(tree)
  for key, value in other.items():
    both = isinstance(value, dict) and isinstance(merged.get(key), dict)
    merged[key] = merge(merged[key], value) if both else value
  return merged


def _variant(name, value, seeds: tuple[int, ...], path: str) -> Variant:
  where = f"{path}: variants.{name}"
  errors.require(
    isinstance(name, str) and _NAME.fullmatch(name) is not None,
    f"{path}: a name in variants must consist of letters, digits, _ . -",
    errors.shorten(name),
  )
  value = {} if value is None else value
  errors.require(
    isinstance(value, dict),
    f"{where} must be a mapping of overrides",
    errors.shorten(value),
  )
  own = seeds
  if "seeds" in value:
    own = _seeds(value["seeds"], f"{where}.seeds")
    errors.require(
      set(own) <= set(seeds),
      f"{where}.seeds must be some of the plan's seeds {list(seeds)}",
      list(own),
    )
  overrides = {key: each for key, each in value.items() if key != "seeds"}
  return Variant(name, nest(overrides), own)


def _seeds(value, where: str) -> tuple[int, ...]:
  fine = (
    isinstance(value, list)
    and value
    and len(set(map(str, value))) == len(value)
  )
  errors.require(
    fine and all(type(each) is int and each >= 0 for each in value),
    f"{where} must be a list of different whole numbers, at least 0",
    errors.shorten(value),
  )
  return tuple(value)


def _data(tree: dict, path: str) -> DataSource | None:
  if "data" not in tree:
    return None
  data = _mapping(tree, "data", path)
  _check_keys(data, {"folder", "prepare"}, path, "data.")
  prepare = None
  if "prepare" in data:
    prepare = _mapping(data, "prepare", path)
    known = _settings_of(prepare_settings.PrepareSettings)
    _check_keys(prepare, known, path, "data.prepare.")
  folder = data.get("folder", DataSource.folder)
  _require(isinstance(folder, str), path, "data.folder", "a string", data)
  return DataSource(folder, prepare)


def _downstream(tree: dict, path: str, folder: str) -> Downstream | None:
  if "downstream" not in tree:
    return None
  part = _mapping(tree, "downstream", path)
  known = {field.name for field in dataclasses.fields(Downstream)}
  _check_keys(part, known, path, "downstream.")
  data = _mapping(part, "data", path)
  known = _settings_of(finetune_settings.FinetuneSettings)
  _check_keys(data, known, path, "downstream.data.")
  experiment = part.get("experiment", Downstream.experiment)
  seeds = None
  if "seeds" in part:
    seeds = _seeds(part["seeds"], f"{path}: downstream.seeds")
  return Downstream(
    data=data,
    experiment=experiment,
    config_files=_config_files(part, path, folder),
    overrides=nest(_mapping(part, "overrides", path)),
    seeds=seeds,
  )


def _settings_of(settings: type) -> set[str]:
  return {field.name for field in dataclasses.fields(settings)} - _OWN_SETTINGS


def _config_files(tree: dict, path: str, folder: str) -> tuple[str, ...]:
  files = tree.get("config_files", [])
  errors.require(
    isinstance(files, list) and all(isinstance(each, str) for each in files),
    f"{path}: config_files must be a list of paths, from the plan's folder",
    errors.shorten(files),
  )
  return tuple(os.path.normpath(os.path.join(folder, each)) for each in files)


def _mapping(tree: dict, key: str, path: str) -> dict:
  value = tree.get(key, {})
  value = {} if value is None else value
  _require(isinstance(value, dict), path, key, "a mapping", tree)
  return value


def _require(fine: bool, path: str, key: str, what: str, tree: dict) -> None:
  received = tree.get(key.rsplit(".", 1)[-1])
  errors.require(
    fine, f"{path}: {key} must be {what}", errors.shorten(received)
  )


def _check_keys(tree: dict, known: set[str], path: str, prefix="") -> None:
  for key in tree:
    near = config_overrides.nearest(str(key), known, prefix)
    errors.require(
      key in known, f"{path} must use keys of a plan{near}", f"{prefix}{key}"
    )
