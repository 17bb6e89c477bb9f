# SPDX-License-Identifier: Apache-2.0
"""YAML that is data: no tag of it can build an object or run code."""

import itertools
import re

import yaml

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_json

MAX_VALUES = 100_000  # those that aliases stand for included


class _DoubleKeyError(yaml.YAMLError):
  """A key that occurs twice in a mapping; the message says where."""


class _Loader(yaml.SafeLoader):
  """Reads Model Garden's `!!python/tuple`, too, and floats such as `1e-4`.

  Refuses keys that occur twice, and nesting, aliases and lists without end.
  """

  def __init__(self, text: str):
    super().__init__(text)
    self._depth = 0
    self._values = 0
    self._measures = {}  # by id of a node: values and levels, aliases included

  def compose_node(self, parent, index):
    mark = self.peek_event().start_mark
    is_alias = self.check_event(yaml.AliasEvent)
    self._depth += 1
    self._check_depth(self._depth, mark)
    node = super().compose_node(parent, index)
    self._depth -= 1
    if is_alias:
      # Inside of what it stands for, which has no end, there is no measure.
      size, levels = self._measures.get(id(node), (MAX_VALUES + 1, 1))
      self._check_depth(self._depth + levels, mark)
    else:
      size, self._measures[id(node)] = 1, self._measure(node)
    self._values += size
    if self._values > MAX_VALUES:
      rule = f"more than {MAX_VALUES:,} values, with what aliases stand for"
      raise yaml.MarkedYAMLError(problem=rule, problem_mark=mark)
    return node

  def construct_scalar(self, node):
    """Returns text that UTF-8 can hold: U+FFFD in place of lone surrogates.

    Two escapes that are a pair, as in JSON, are one character.
    """
    value = super().construct_scalar(node)
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

  def compose_mapping_node(self, anchor):
    node, lines = super().compose_mapping_node(anchor), {}
    for key, _ in node.value:
      if isinstance(key, yaml.ScalarNode):
        line = key.start_mark.line + 1
        if key.value in lines:
          where = f"lines {lines[key.value]} and {line}"
          raise _DoubleKeyError(f"{errors.shorten(key.value)} in {where}")
        lines[key.value] = line
    return node

  def _check_depth(self, depth: int, mark: yaml.Mark) -> None:
    if depth > plain_json.MAX_DEPTH:
      rule = f"nested in more than {plain_json.MAX_DEPTH} levels"
      raise yaml.MarkedYAMLError(problem=rule, problem_mark=mark)

  def _measure(self, node: yaml.Node) -> tuple[int, int]:
    inner = [] if isinstance(node, yaml.ScalarNode) else node.value
    if isinstance(node, yaml.MappingNode):
      inner = itertools.chain(*inner)
    measures = [self._measures[id(each)] for each in inner]
    sizes, levels = zip(*measures, strict=True) if measures else ((), ())
    return 1 + sum(sizes), 1 + max(levels, default=0)


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
  rule = f"{flag} must be a readable YAML file"
  with errors.refusing(rule, repr(path), OSError, UnicodeDecodeError):
    text = files.read(path).decode()
  return load_yaml(text, source=path)


def load_yaml(text: str, source: str) -> dict:
  """Parses YAML or JSON text; `source` names it in errors."""
  try:
    loaded = yaml.load(text, Loader=_Loader)
  except _DoubleKeyError as error:
    rule = f"{source} must name every key of a mapping once"
    raise errors.UserError(f"{rule}. Received: {error}") from error
  except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:
    # PyYAML's own tags, such as `!!bool maybe`, raise what Python raises.
    reason = " ".join(str(error).split())
    raise errors.UserError(f"{source} must be plain YAML. {reason}") from error
  if loaded is None:
    return {}
  rule = f"{source} must be a mapping of parameters"
  errors.require(isinstance(loaded, dict), rule, errors.shorten(loaded))
  return loaded
