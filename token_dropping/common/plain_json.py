# SPDX-License-Identifier: Apache-2.0
"""JSON of others, whose nesting is bounded: what reads it may recurse."""

import json

MAX_DEPTH = 100


def loads(content: str | bytes):
  """Parses JSON; other text, and nesting over `MAX_DEPTH`, is a `ValueError`.

  >>> loads('{"a": [1]}')
  {'a': [1]}
  """
  rule = f"nested in more than {MAX_DEPTH} levels"
  try:
    loaded = json.loads(content)
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
