# SPDX-License-Identifier: Apache-2.0
"""Checks overrides against a config's dataclasses, then applies them."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from official.core import config_definitions as cfg
from official.modeling import hyperparams
from official.modeling.hyperparams import oneof

from token_dropping.common import errors

Settings = TypeVar("Settings")


def apply_overrides(
  params: hyperparams.Config, overrides: Mapping[str, Any], source: str
) -> None:
  """Applies nested overrides; unknown keys and other types are `UserError`s."""
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
  check_keys(overrides, known, source, "the experiment", path)
  checked = {}
  for key, value in overrides.items():
    dotted = path + key
    if isinstance(config, oneof.OneOfConfig) and key == "type":
      _check_choice(value, known - {"type"}, source, dotted)
    checked[key] = _checked_value(
      getattr(config, key), hints.get(key, Any), value, source, dotted
    )
  return checked


def read_settings(
  settings: type[Settings], tree: Mapping, source: str, whole: str, path=""
) -> Settings:
  """Makes a plain dataclass, and those in its fields, of nested dictionaries.

  A field without a value, or with null, has its default. `UserError`s for keys
  and values name the `source` of the tree, the `whole` whose keys they are, and
  `path`, the dataclass's place there, with a dot at its end.
  """
  hints, values = typing.get_type_hints(settings), {}
  check_keys(tree, hints, source, whole, path)
  for field in dataclasses.fields(settings):
    value, hint = tree.get(field.name), hints[field.name]
    default = (field.default, field.default_factory)
    if value is None and default != (dataclasses.MISSING, dataclasses.MISSING):
      continue
    dotted = path + field.name
    inner = next(filter(dataclasses.is_dataclass, _options(hint)), None)
    if inner and isinstance(value, Mapping):
      value = read_settings(inner, value, source, whole, f"{dotted}.")
    elif not _matches(value, hint):
      raise _refusal(_describe(hint), source, dotted, value)
    values[field.name] = value
  with errors.named(f"{source}: {path}"):  # a rule begins with the field
    return settings(**values)


def check_keys(
  tree: Mapping, known, source: str, whole: str, path: str = ""
) -> None:
  """Refuses an unknown key and names the nearest; see `read_settings`."""
  for key, value in tree.items():
    if key not in known:
      near, dotted = nearest(str(key), known, path), " ".join(str(key).split())
      raise errors.UserError(
        f"{source} must use keys of {whole}{near}. "
        f"Received: {path}{dotted}={errors.shorten(value)}"
      )


def _type_hints(config_class: type) -> dict:
  hints = typing.get_type_hints(config_class)
  if issubclass(config_class, cfg.DataConfig):
    # Some of Model Garden's data configs narrow the type of `input_path` to
    # one string. Its reader takes a list too.
    hints["input_path"] = Sequence[str] | str
  return hints


def _check_choice(value, choices: set, source: str, path: str) -> None:
  if isinstance(value, str) and value not in choices:
    rule = f"one of {', '.join(sorted(choices))}{nearest(value, choices)}"
    raise _refusal(rule, source, path, value)


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
    raise _refusal(_describe(hint), source, path, value)
  return value


def _config_class(hint, source: str, path: str, value) -> type:
  for option in _options(hint):
    if isinstance(option, type) and issubclass(option, hyperparams.Config):
      return option
  raise _refusal(_describe(hint), source, path, value)


def _refusal(rule: str, source: str, path: str, value) -> errors.UserError:
  return errors.UserError(
    f"{source}: {path} must be {rule}. Received: {errors.shorten(value)}"
  )


def _options(hint) -> tuple:
  """Returns the members of a union, or the hint alone."""
  if typing.get_origin(hint) in (typing.Union, types.UnionType):
    return typing.get_args(hint)
  return (hint,)


def _item_hint(hint):
  items = (typing.get_args(option) for option in _options(hint))
  return next((args[0] for args in items if args), Any)


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
    item = _item_hint(hint)
    return _is_list(origin) and all(_matches(v, item) for v in value)
  if origin in (int, float):
    return type(value) is origin
  return isinstance(origin, type) and isinstance(value, origin)


def _is_list(origin) -> bool:
  is_sequence = isinstance(origin, type) and issubclass(origin, Sequence)
  return is_sequence and origin is not str


def _describe(hint) -> str:
  names = {type(None): "null", str: "a string", bool: "true or false"}
  names |= {int: "an integer", float: "a number"}
  described = {}
  for option in _options(hint):
    origin = typing.get_origin(option) or option
    other = "a list" if _is_list(origin) else "a mapping"
    described[names.get(option, other)] = None
  return " or ".join(described)


def nearest(name: str, known, path: str = "") -> str:
  """Returns what an error says about the nearest valid name, or nothing.

  >>> nearest("sede", {"seed", "steps"})
  '; the nearest is seed'
  """
  lower = {key.lower(): key for key in sorted(known)}
  close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
  return f"; the nearest is {path}{lower[close[0]]}" if close else ""
