# SPDX-License-Identifier: Apache-2.0
"""YAML that is data: no tag of it can build an object or run code."""

import re

import yaml

from token_dropping.common import errors
from token_dropping.common import files


class _Loader(yaml.SafeLoader):
  """Reads Model Garden's `!!python/tuple`, too, and floats such as `1e-4`."""


_Loader.add_constructor(
  "tag:yaml.org,2002:python/tuple",
  lambda loader, node: tuple(loader.construct_sequence(node)),
)
_Loader.add_implicit_resolver(
  "tag:yaml.org,2002:float",
  re.compile(r"[-+]?\d[\d_]*(\.\d*)?[eE][-+]?\d+$"),
  list("-+0123456789"),
)


def read_yaml(path: str, flag: str = "--config_file") -> dict:
  """Reads a YAML or JSON mapping; empty for an empty file that `flag` names."""
  try:
    text = files.read(path).decode()
  except (OSError, UnicodeDecodeError) as error:
    raise errors.UserError(
      f"{flag} must be a readable YAML file. Received: {path!r}"
    ) from error
  return load_yaml(text, source=path)


def load_yaml(text: str, source: str) -> dict:
  """Parses YAML or JSON text; `source` names it in errors."""
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
      f"{source} must be a mapping of parameters. "
      f"Received: {errors.shorten(loaded)}"
    )
  return loaded
