# SPDX-License-Identifier: Apache-2.0
"""Results in JSON files, written last, so that what is complete is known."""

import json

from token_dropping.common import errors
from token_dropping.common import files


def write(path: str, identity: dict, result: dict) -> None:
  """Writes a result and what decided about it, both of JSON values."""
  files.write_json(path, {"experiment": identity} | result)


def read(path: str, identity: dict, flag: str) -> dict | None:
  """Reads a result; returns `None` where there is none yet.

  Args:
    path: of the file.
    identity: what must have decided about the result.
    flag: what named the folder, for errors.

  Raises:
    UserError: no JSON, or the result of something else; with the first
      difference.
  """
  if not files.exists(path):
    return None
  content = files.find_json(path) or {}
  there = content.pop("experiment", None)
  rule = f"{flag} must hold results"
  errors.require(there is not None, rule, f"{path!r}, which is none")
  difference = first_difference(there, json.loads(json.dumps(identity)))
  errors.require(
    not difference,
    f"{flag} must be new or hold results of the same experiment",
    f"{path!r}, of another one: {difference}",
  )
  return content


def first_difference(there, here, path: str = "") -> str:
  """Returns where two trees of JSON values differ; empty: nowhere.

  >>> first_difference({"a": {"b": 1}}, {"a": {"b": 2}})
  'a.b is 1 there and 2 here'
  """
  if isinstance(there, dict) and isinstance(here, dict):
    for key in sorted(there.keys() | here.keys()):
      dotted = f"{path}.{key}" if path else key
      difference = first_difference(there.get(key), here.get(key), dotted)
      if difference:
        return difference
    return ""
  if there == here:
    return ""
  shown = errors.shorten(there), errors.shorten(here)
  return f"{path} is {shown[0]} there and {shown[1]} here"
