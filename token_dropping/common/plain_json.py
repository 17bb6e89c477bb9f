# SPDX-License-Identifier: Apache-2.0
"""JSON of users: one value a name, text that UTF-8 can hold, and its form."""

import json
import sys

from token_dropping.common import errors
from token_dropping.common import plain_text

_NAMES = {
  str: "a text",
  int: "a whole number",
  float: "a number",
  bool: "true or false",
  list: "a list",
  dict: "an object",
}


MAX_DEPTH = 100


def loads(content: str | bytes):
  """Returns what JSON says; its lone surrogates become U+FFFD.

  What is no JSON, an object with two values of one name, and nesting over
  `MAX_DEPTH` are `ValueError`s.
  """
  return _valid(loads_bounded(content, _object))


def loads_bounded(content: str | bytes, make_object=None):
  """Parses JSON as Python does, but for nesting; what reads it may recurse.

  `make_object` gets the names and values of an object.

  >>> loads_bounded('{"a": [1]}')
  {'a': [1]}
  """
  rule = f"nested in more than {MAX_DEPTH} levels"
  try:
    loaded = json.loads(content, object_pairs_hook=make_object)
  except RecursionError as error:
    raise ValueError(rule) from error
  level, depth = _containers([loaded]), 0
  while level:
    depth += 1
    if depth > MAX_DEPTH:
      raise ValueError(rule)
    level = [
      inner
      for outer in level
      for inner in _containers(
        outer.values() if isinstance(outer, dict) else outer
      )
    ]
  return loaded


def _containers(values) -> list:
  return [value for value in values if isinstance(value, dict | list)]


def _object(pairs: list[tuple]) -> dict:
  found = {}
  for key, value in pairs:
    key = plain_text.replace_surrogates(key)
    if key in found:
      raise ValueError(f"{errors.shorten(key)} twice in an object")
    found[key] = _valid(value)
  return found


def _valid(value):
  if isinstance(value, str):
    return plain_text.replace_surrogates(value)
  # The objects in a list are valid already.
  return [_valid(item) for item in value] if isinstance(value, list) else value


def check(value, form, source: str, place: str = "") -> None:
  """Refuses a value of another form, with its place in `source`.

  A form is `str`, `int` (below 2^63), `float` (finite) or `bool`; `[form]`, a
  list of such; or `{"name": form}`, an object with these names, and maybe
  others. A name may be missing if it ends in "?"; `str` stands for every name.

  >>> check({"data": [{"id": "a"}]}, {"data": [{"id": str, "n?": int}]}, "x")
  """
  kind = form if isinstance(form, type) else type(form)
  if not _is(value, kind):
    what = f"{place} in {source}" if place else source
    shown = errors.shorten(value)
    raise errors.UserError(f"{what} must be {_NAMES[kind]}. Received: {shown}")
  if kind is list:
    for index, item in enumerate(value):
      check(item, form[0], source, f"{place}[{index}]")
  elif kind is dict:
    for name, inner in _members(value, form, source, place):
      path = f"{place}.{name}" if place else name
      check(value[name], inner, source, path)


def _is(value, kind: type) -> bool:
  if kind is float and type(value) in (int, float):
    return abs(value) <= sys.float_info.max  # and not NaN
  return type(value) is kind and (kind is not int or abs(value) < 2**63)


def _members(value: dict, form: dict, source: str, place: str):
  """Yields the names of an object that have a form, and that."""
  for name, inner in form.items():
    if name is str:
      yield from ((each, inner) for each in value)
    elif (key := name.removesuffix("?")) in value:
      yield key, inner
    elif key == name:
      what = f"{place} in {source}" if place else source
      names = errors.shorten(", ".join(value))
      raise errors.UserError(f"{what} must have {key}. Received: {names}")
