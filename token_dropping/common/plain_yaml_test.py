# SPDX-License-Identifier: Apache-2.0
"""Tests of files and overrides that are no YAML of ours."""

import pytest
import yaml

from tests import config_testing


def test_missing_file_is_refused(tmp_path):
  path = str(tmp_path / "nothing.yaml")
  assert config_testing.refused(config_testing.flags(path)) == (
    f"--config_file must be a readable YAML file. Received: {path!r}"
  )


def test_folder_is_refused(tmp_path):
  assert config_testing.refused(config_testing.flags(str(tmp_path))) == (
    f"--config_file must be a readable YAML file. Received: {str(tmp_path)!r}"
  )


def test_binary_file_is_refused(tmp_path):
  path = tmp_path / "a.yaml"
  path.write_bytes(b"trainer: \xff")
  assert config_testing.refused(config_testing.flags(str(path))) == (
    f"--config_file must be a readable YAML file. Received: {str(path)!r}"
  )


@pytest.mark.parametrize(
  "text",
  [
    "trainer: {",
    "trainer:\n\ttrain_steps: 1",
    "a: b: c",
    "a: *unknown",
    "a: !!int maybe",
    "a: !!bool maybe",
    "a: !!timestamp maybe",
    "a: 2024-13-45",
    "a: \0",
    "--- 1\n--- 2\n",
  ],
)
def test_invalid_yaml_is_refused(tmp_path, text):
  path = config_testing.write_file(tmp_path, text)
  assert config_testing.refused(config_testing.flags(path)).startswith(
    f"{path} must be plain YAML. "
  )


@pytest.mark.parametrize(
  ("text", "received"),
  [("- 1\n- 2\n", "[1, 2]"), ("3", "3"), ("text", "'text'"), ("''", "''")],
)
def test_yaml_must_be_a_mapping(tmp_path, text, received):
  path = config_testing.write_file(tmp_path, text)
  assert config_testing.refused(config_testing.flags(path)) == (
    f"{path} must be a mapping of parameters. Received: {received}"
  )


@pytest.mark.parametrize("kind", ["file", "override"])
def test_yaml_runs_nothing(tmp_path, kind):
  made = tmp_path / "made"
  text = f"task: !!python/object/apply:os.mkdir ['{made}']"
  flags = config_testing.flags(override=text)
  if kind == "file":
    flags = config_testing.flags(config_testing.write_file(tmp_path, text))
  message = config_testing.refused(flags)
  assert "must be plain YAML. could not determine a constructor" in message
  assert not made.exists()
  yaml.unsafe_load(text)  # so much for a loader that obeys
  assert made.exists()


@pytest.mark.parametrize(
  "tag",
  [
    "python/name:os.system ''",
    "python/module:os ''",
    "python/object:types.SimpleNamespace {}",
    "python/object/new:types.SimpleNamespace []",
    "python/complex 1j",
  ],
)
def test_tags_of_objects_are_refused(tmp_path, tag):
  path = config_testing.write_file(tmp_path, f"task: !!{tag}")
  message = config_testing.refused(config_testing.flags(path))
  assert f"{path} must be plain YAML. could not determine" in message
  assert tag.split()[0] in message


@pytest.mark.parametrize(
  "override",
  [
    "trainer.train_steps",
    "trainer.train_steps=1,max_to_keep",
    "trainer.train_steps=1;trainer.max_to_keep=2",
    "/nothing/here.yaml",
    "a[0]=x",
  ],
)
def test_malformed_override_is_refused(override):
  message = config_testing.refused(config_testing.flags(override=override))
  assert message.startswith("--params_override")
  assert override.split(",")[0][:19] in message


def test_override_that_is_no_pair_and_no_file():
  assert config_testing.refused(
    config_testing.flags(override="trainer.train_steps")
  ) == (
    "--params_override must be key=value pairs with commas between them, "
    "YAML, JSON or the name of a file. Received: 'trainer.train_steps'"
  )


@pytest.mark.parametrize("override", ["{trainer: {", "{", "trainer: ]"])
def test_override_of_invalid_yaml_is_refused(override):
  message = config_testing.refused(config_testing.flags(override=override))
  assert message.startswith("--params_override must be plain YAML. ")
