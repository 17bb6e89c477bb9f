# SPDX-License-Identifier: Apache-2.0
"""Settings of a command: their fields, checks, and a flag for each field."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeVar

from absl import flags

from token_dropping.common import errors

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


def setting(default, text: str):
  """Returns a field of settings, whose help is the text."""
  return dataclasses.field(default=default, metadata={"help": text})


class Checked:
  """Settings that refuse values with the names of their fields."""

  def _check(self, name: str, condition: bool, rule: str) -> None:
    value = repr(getattr(self, name))
    errors.require(condition, f"{name} must {rule}", value)

  def _check_numbers(
    self, least: Mapping[str, int], bits: Mapping[str, int]
  ) -> None:
    """Refuses numbers below the `least`, or of more than 31 bits or `bits`."""
    for name, smallest in least.items():
      value, size = getattr(self, name), bits.get(name, 31)
      self._check(name, value >= smallest, f"be at least {smallest}")
      self._check(name, value < 2**size, f"be below 2^{size}")


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
