# SPDX-License-Identifier: Apache-2.0
"""From flags to a checked experiment config.

Model Garden's order: registered experiment, then every `--config_file`, then
`--tpu` and `--tf_data_service`, then `--params_override`. Every key and type is
checked against the experiment's dataclasses before it is applied.
"""

import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import yaml
from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import hyperparams
from official.modeling.hyperparams import oneof
from official.modeling.hyperparams import params_dict

from token_dropping import errors
from token_dropping import experiments


def parse(flags) -> cfg.ExperimentConfig:
  """Builds the experiment config that the flags ask for.

  Args:
    flags: an object with Model Garden's flags `experiment`, `config_file`,
      `params_override`, `tpu` and `tf_data_service` as attributes.

  Returns:
    The config; `decay_steps` and, for a changing masking rate,
    `masking_rate_steps` are `train_steps` where they were left unset.

  Raises:
    UserError: an unknown experiment, an unreadable file, an unknown key, a
      value of the wrong type.
  """
  params = _registered(flags.experiment)
  for path in flags.config_file or []:
    apply_overrides(params, read_yaml(path), source=path)
  if flags.tpu is not None:
    params.runtime.tpu = flags.tpu
  if flags.tf_data_service:
    params.task.train_data.tf_data_service_address = flags.tf_data_service
    params.task.validation_data.tf_data_service_address = flags.tf_data_service
  if flags.params_override:
    overrides = parse_overrides(flags.params_override)
    apply_overrides(params, overrides, source="--params_override")
  _let_decay_follow_training(params)
  _let_masking_follow_training(params)
  params.validate()
  return params


def _registered(experiment: str) -> cfg.ExperimentConfig:
  try:
    return exp_factory.get_exp_config(experiment)
  except (LookupError, TypeError) as error:  # TypeError: half a name, "bert"
    raise errors.UserError(
      f"--experiment must be one of {', '.join(experiments.NAMES)}. "
      f"Received: {experiment!r}"
    ) from error


class _Loader(yaml.SafeLoader):
  """Plain YAML: no tag builds an object.

  Model Garden writes tuples as `!!python/tuple`; they are read as tuples.
  Floats may be written `1e-4`, as in Model Garden's files.
  """


_Loader.add_constructor(
  "tag:yaml.org,2002:python/tuple",
  lambda loader, node: tuple(loader.construct_sequence(node)),
)
_Loader.add_implicit_resolver(
  "tag:yaml.org,2002:float",
  re.compile(r"[-+]?\d[\d_]*(\.\d*)?[eE][-+]?\d+$"),
  list("-+0123456789"),
)


def read_yaml(path: str) -> dict:
  """Reads a YAML or JSON file of overrides.

  Args:
    path: on any filesystem that TensorFlow knows.

  Returns:
    The nested dictionary; empty for an empty file.

  Raises:
    UserError: unreadable, not YAML, or not a mapping at the top.
  """
  try:
    with tf.io.gfile.GFile(path) as file:
      text = file.read()
  except (tf.errors.OpError, UnicodeDecodeError) as error:
    raise errors.UserError(
      f"--config_file must be a readable YAML file. Received: {path!r}"
    ) from error
  return _load(text, source=path)


def _load(text: str, source: str) -> dict:
  try:
    loaded = yaml.load(text, Loader=_Loader)
  except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:
    # PyYAML's own tags, such as `!!bool maybe`, raise what Python raises.
    reason = " ".join(str(error).split())
    raise errors.UserError(f"{source} must be plain YAML. {reason}") from error
  if loaded is None:
    return {}
  if not isinstance(loaded, dict):
    raise errors.UserError(
      f"{source} must be a mapping of parameters. Received: {_short(loaded)}"
    )
  return loaded


def parse_overrides(text: str) -> dict:
  """Parses `--params_override`: `a.b=1,c=2`, a YAML or JSON string, or a file.

  Returns:
    The nested dictionary.

  Raises:
    UserError: none of the three.
  """
  try:
    text = params_dict.nested_csv_str_to_json_str(text)
  except ValueError:  # not a list of key=value; YAML, or the name of a file
    if not re.search(r"[:{\n]\s", text) and not text.lstrip().startswith("{"):
      return _read_override_file(text)
  return _load(text, source="--params_override")


def _read_override_file(path: str) -> dict:
  if not tf.io.gfile.exists(path):
    raise errors.UserError(
      "--params_override must be key=value pairs with commas between them, "
      f"YAML, JSON or the name of a file. Received: {_short(path)}"
    )
  return read_yaml(path)


def apply_overrides(
  params: hyperparams.Config, overrides: Mapping[str, Any], source: str
) -> None:
  """Checks overrides, then applies them.

  Args:
    params: the config to change.
    overrides: nested dictionary.
    source: where they come from, for messages.

  Raises:
    UserError: an unknown key or a value of another type; with the dotted path.
  """
  checked = _checked_mapping(params, overrides, source, path="")
  try:
    params.override(checked, is_strict=True)
  except (KeyError, TypeError, ValueError, AttributeError) as error:
    reason = " ".join(str(error).split())
    raise errors.UserError(f"{source}: {reason}") from error


def _checked_mapping(
  config: hyperparams.Config, overrides: Mapping, source: str, path: str
) -> dict:
  """Returns the overrides with every value checked and of the field's type."""
  hints = _type_hints(type(config))
  known = set(vars(config)) - set(config.RESERVED_ATTR)
  checked = {}
  for key, value in overrides.items():
    dotted = path + " ".join(str(key).split())
    if key not in known:
      near = _nearest(str(key), known, path)
      raise errors.UserError(
        f"{source} must use keys of the experiment{near}. "
        f"Received: {dotted}={_short(value)}"
      )
    if isinstance(config, oneof.OneOfConfig) and key == "type":
      _check_choice(value, known - {"type"}, source, dotted)
    checked[key] = _checked_value(
      getattr(config, key), hints.get(key, Any), value, source, dotted
    )
  return checked


def _type_hints(config_class: type) -> dict:
  hints = typing.get_type_hints(config_class)
  if issubclass(config_class, cfg.DataConfig):
    # Some of Model Garden's data configs narrow the type of `input_path` to
    # one string. Its reader takes a list too.
    hints["input_path"] = Sequence[str] | str
  return hints


def _check_choice(value, choices: set, source: str, path: str) -> None:
  if isinstance(value, str) and value not in choices:
    raise errors.UserError(
      f"{source}: {path} must be one of {', '.join(sorted(choices))}"
      f"{_nearest(str(value), choices)}. Received: {_short(value)}"
    )


def _checked_value(current, hint, value, source: str, path: str):
  if isinstance(value, Mapping):
    config = current
    if not isinstance(config, hyperparams.Config):
      config = _config_class(hint, source, path, value)()
      if type(config) is hyperparams.Config:  # free-form, such as a mixture
        return dict(value)
    return _checked_mapping(config, value, source, f"{path}.")
  if isinstance(value, list | tuple) and _matches(type(value)(), hint):
    return type(value)(
      _checked_value(None, _item_hint(hint), item, source, f"{path}[{index}]")
      for index, item in enumerate(value)
    )
  value = _number(value, hint)
  if not _matches(value, hint):
    raise errors.UserError(
      f"{source}: {path} must be {_describe(hint)}. Received: {_short(value)}"
    )
  return value


def _config_class(hint, source: str, path: str, value) -> type:
  for option in (hint, *_options(hint)):
    if isinstance(option, type) and issubclass(option, hyperparams.Config):
      return option
  raise errors.UserError(
    f"{source}: {path} must be {_describe(hint)}. Received: {_short(value)}"
  )


def _options(hint) -> tuple:
  """Returns the members of a union, or the hint alone."""
  if typing.get_origin(hint) in (typing.Union, types.UnionType):
    return typing.get_args(hint)
  return (hint,)


def _item_hint(hint):
  for option in _options(hint):
    args = typing.get_args(option)
    if args:
      return args[0]
  return Any


def _number(value, hint):
  """Turns 1e4 into 10000 for an int field, and 1 into 1.0 for a float field."""
  options = _options(hint)
  if isinstance(value, float) and float not in options and int in options:
    return int(value) if value.is_integer() else value
  if type(value) is int and float in options and int not in options:
    return float(value)
  return value


def _matches(value, hint) -> bool:
  return any(_matches_one(value, option) for option in _options(hint))


def _matches_one(value, hint) -> bool:
  if hint is Any:
    return True
  origin = typing.get_origin(hint) or hint
  if isinstance(value, list | tuple):
    if not (isinstance(origin, type) and issubclass(origin, Sequence)):
      return False
    item = _item_hint(hint)
    return origin is not str and all(_matches(v, item) for v in value)
  if origin in (int, float):
    return type(value) is origin
  return isinstance(origin, type) and isinstance(value, origin)


def _describe(hint) -> str:
  names = {type(None): "null", str: "a string", bool: "true or false"}
  names |= {int: "an integer", float: "a number"}
  described = []
  for option in _options(hint):
    origin = typing.get_origin(option) or option
    if option in names:
      described.append(names[option])
    elif isinstance(origin, type) and issubclass(origin, Sequence):
      described.append("a list")
    else:
      described.append("a mapping")
  return " or ".join(dict.fromkeys(described))


def _nearest(name: str, known, path: str = "") -> str:
  lower = {key.lower(): key for key in sorted(known)}
  close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
  return f"; the nearest is {path}{lower[close[0]]}" if close else ""


def _short(value) -> str:
  text = repr(value)
  return text if len(text) <= 80 else f"{text[:77]}..."


def _let_decay_follow_training(params: cfg.ExperimentConfig) -> None:
  """An unset `decay_steps` means `train_steps`."""
  schedule = params.trainer.optimizer_config.learning_rate.get()
  for field in ("decay_steps", "total_decay_steps"):
    if schedule is not None and getattr(schedule, field, 0) is None:
      setattr(schedule, field, params.trainer.train_steps)


def _let_masking_follow_training(params: cfg.ExperimentConfig) -> None:
  """Unset `masking_rate_steps` of a changing rate mean `train_steps`."""
  data = params.task.train_data
  if getattr(data, "final_masking_rate", None) and not data.masking_rate_steps:
    data.masking_rate_steps = params.trainer.train_steps
