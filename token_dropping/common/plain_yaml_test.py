# SPDX-License-Identifier: Apache-2.0
"""Tests of YAML that is data, and of what is not."""

import pytest
import yaml

from tests import testing
from token_dropping.common import plain_yaml


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("", {}),
    ('{"a": 1}', {"a": 1}),
    ("a: !!python/tuple [1, 2]", {"a": (1, 2)}),
    (r'{"a": "\ud83d\ude00 \ud83d"}', {"a": "\U0001f600 \ufffd"}),
    *((f"a: {x}", {"a": 1e-4}) for x in ("1e-4", "1E-4", "1.e-4", "1.0e-4")),
  ],
)
def test_what_is_read(tmp_path, text, expected):
  (tmp_path / "a.yaml").write_text(text)
  assert plain_yaml.read_yaml(str(tmp_path / "a.yaml")) == expected


@pytest.mark.parametrize("name", ["nothing.yaml", ".", "binary.yaml"])
def test_unreadable_file_is_refused(tmp_path, name):
  (tmp_path / "binary.yaml").write_bytes(b"trainer: \xff")
  path = str(tmp_path / name)
  assert testing.refused(plain_yaml.read_yaml, path, "--flag") == (
    f"--flag must be a readable YAML file. Received: {path!r}"
  )


@pytest.mark.parametrize(
  "text",
  [
    "trainer: {",
    "trainer:\n\ttrain_steps: 1",
    "a: b: c",
    "a: *unknown",
    *(f"a: !!{kind} maybe" for kind in ("int", "bool", "timestamp")),
    "a: 2024-13-45",
    "a: \0",
    "--- 1\n--- 2\n",
    "a: !!python/name:os.system ''",
    "a: !!python/module:os ''",
    "a: !!python/object:types.SimpleNamespace {}",
    "a: !!python/object/new:types.SimpleNamespace []",
    "a: !!python/complex 1j",
  ],
)
def test_invalid_yaml_and_tags_of_objects_are_refused(text):
  message = testing.refused(plain_yaml.load_yaml, text, "source")
  assert message.startswith("source must be plain YAML. ")


@pytest.mark.parametrize(
  ("text", "received"),
  [
    ("a: 1\nb: 2\na: 1\n", "'a' in lines 1 and 3"),
    ("a:\n- b:\n    c: 1\n    'c': 2\n", "'c' in lines 3 and 4"),
    ('{"a": {"b": 1,\n"b": 1}}', "'b' in lines 1 and 2"),
    ("? a\n: 1\n? a\n: 2", "'a' in lines 1 and 3"),
    ("{a: 1, !!str a: 2}", "'a' in lines 1 and 1"),
  ],
)
def test_double_keys_are_refused(text, received):
  assert testing.refused(plain_yaml.load_yaml, text, "source") == (
    f"source must name every key of a mapping once. Received: {received}"
  )


def test_aliases_and_merged_keys_are_read():
  text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, x: 3}\n"
  a = {"x": 1, "y": 2}
  expected = {"a": a, "b": a, "c": {"x": 3, "y": 2}}
  assert plain_yaml.load_yaml(text, "source") == expected


_BOMB = "\n".join(
  ["a0: &a0 [1, 1]"]
  + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
)
_MERGES = _BOMB.replace("[1, 1]", "{x: 1}").replace("[", "{<<: [")
_STAIRS = "\n".join(
  ["a0: &a0 1"]
  + [f"a{n}: &a{n} {'[' * 9}*a{n - 1}{']' * 9}" for n in range(1, 99)]
)


VALUES = "more than 100,000 values, with what aliases stand for"


@pytest.mark.parametrize(
  ("text", "rule"),
  [
    ("[" * 300, "nested in more than 100 levels"),
    ("a: " + "{a: " * 100 + "1" + "}" * 100, "nested in more than 100 levels"),
    ("- " * 100_000, "nested in more than 100 levels"),
    (_STAIRS, "nested in more than 100 levels"),
    (_BOMB, VALUES),
    (_MERGES.replace("]", "]}"), VALUES),
    ("a: &a [*a]", VALUES),
    ("a: &a {b: *a}", VALUES),
  ],
  ids=range(8),
)
def test_what_never_ends_is_refused(text, rule):
  message = testing.refused(plain_yaml.load_yaml, text, "source")
  assert message.startswith(f"source must be plain YAML. {rule} in ")


def test_a_list_that_is_too_long(monkeypatch):
  monkeypatch.setattr(plain_yaml, "MAX_VALUES", 9)
  assert plain_yaml.load_yaml("a: [1, 2, 3, 4, 5, 6]", "source")["a"][-1] == 6
  message = testing.refused(plain_yaml.load_yaml, f"a: {[1] * 7}", "source")
  assert message.startswith("source must be plain YAML. more than 9 values, ")


@pytest.mark.parametrize(
  ("text", "received"),
  [("- 1\n- 2\n", "[1, 2]"), ("3", "3"), ("text", "'text'"), ("''", "''")],
)
def test_yaml_must_be_a_mapping(text, received):
  assert testing.refused(plain_yaml.load_yaml, text, "source") == (
    f"source must be a mapping of parameters. Received: {received}"
  )


def test_yaml_runs_nothing(tmp_path):
  made = tmp_path / "made"
  text = f"task: !!python/object/apply:os.mkdir ['{made}']"
  message = testing.refused(plain_yaml.load_yaml, text, "source")
  assert "must be plain YAML. could not determine a constructor" in message
  assert not made.exists()
  yaml.unsafe_load(text)  # so much for a loader that obeys
  assert made.exists()
