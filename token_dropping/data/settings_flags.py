# SPDX-License-Identifier: Apache-2.0
"""A flag for each field of a dataclass of settings, and back."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeVar

from absl import flags

flags.disclaim_key_flags()  # they are shown as those of the command
Settings = TypeVar("Settings")

_DEFINE = {
  bool: flags.DEFINE_boolean,
  bool | None: flags.DEFINE_boolean,
  int: flags.DEFINE_integer,
  int | None: flags.DEFINE_integer,
  float: flags.DEFINE_float,
  str: flags.DEFINE_string,
  Sequence[str]: flags.DEFINE_multi_string,
}


def define(
  settings: type, choices: Mapping[str, Sequence[str]], values: flags.FlagValues
) -> None:
  """Defines a flag for each field; its help is the metadata's `help`."""
  for field in dataclasses.fields(settings):
    text = field.metadata["help"]
    if field.name in choices:
      allowed = choices[field.name]
      flags.DEFINE_enum(
        field.name, field.default, allowed, text, flag_values=values
      )
    else:
      _DEFINE[field.type](field.name, field.default, text, flag_values=values)


def read(settings: type[Settings], values: flags.FlagValues) -> Settings:
  """Returns the settings that parsed flags give; raises what these raise."""
  names = [field.name for field in dataclasses.fields(settings)]
  return settings(**{name: values[name].value for name in names})
