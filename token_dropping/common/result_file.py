# SPDX-License-Identifier: Apache-2.0
"""Results in JSON files, written last, so that what is complete is known."""

import json

import tensorflow as tf

from token_dropping.common import errors


def write_json(path: str, content: dict) -> None:
  """Writes a file that is whole or not there."""
  with tf.io.gfile.GFile(f"{path}.part", "w") as file:
    file.write(json.dumps(content, indent=2) + "\n")
  tf.io.gfile.rename(f"{path}.part", path, overwrite=True)


def write(path: str, identity: dict, result: dict) -> None:
  """Writes a result and what decided about it.

  Args:
    path: of the file.
    identity: of JSON values.
    result: likewise.
  """
  write_json(path, {"experiment": identity} | result)


def read(path: str, identity: dict, flag: str) -> dict | None:
  """Reads a result.

  Args:
    path: of the file.
    identity: what must have decided about it.
    flag: that named the folder, for errors.

  Returns:
    The result; `None`: not there yet.

  Raises:
    UserError: no JSON, or the result of something else; with the first
      difference.
  """
  if not tf.io.gfile.exists(path):
    return None
  with tf.io.gfile.GFile(path) as file:
    try:
      found = json.loads(file.read())
      there = found.pop("experiment")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
      raise errors.UserError(
        f"{flag} must hold results. Received: {path!r}, which is none"
      ) from error
  difference = first_difference(there, json.loads(json.dumps(identity)))
  errors.require(
    not difference,
    f"{flag} must be new or hold results of the same experiment",
    f"{path!r}, of another one: {difference}",
  )
  return found


def first_difference(there, here, path: str = "") -> str:
  """Returns where two trees of JSON values differ; empty: nowhere.

  >>> first_difference({"a": {"b": 1}}, {"a": {"b": 2}})
  'a.b is 1 there and 2 here'
  """
  if isinstance(there, dict) and isinstance(here, dict):
    for key in sorted(there.keys() | here.keys()):
      dotted = f"{path}.{key}" if path else key
      found = first_difference(there.get(key), here.get(key), dotted)
      if found:
        return found
    return ""
  if there == here:
    return ""
  shown = errors.shorten(there), errors.shorten(here)
  return f"{path} is {shown[0]} there and {shown[1]} here"
