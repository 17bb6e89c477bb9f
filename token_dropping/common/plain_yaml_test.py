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
