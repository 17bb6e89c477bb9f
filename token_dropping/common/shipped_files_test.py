# SPDX-License-Identifier: Apache-2.0
"""Tests of settings that come with the package."""

import pathlib

import pytest

from token_dropping.common import shipped_files

EXPERIMENTS = pathlib.Path(__file__).parents[2] / "experiments"
NAMES = [
  str(path.relative_to(EXPERIMENTS)) for path in EXPERIMENTS.rglob("*.yaml")
]


@pytest.mark.parametrize("prefix", ["", "experiments/"])
def test_names_of_ours_are_found_from_any_folder(prefix, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert len(NAMES) > 10
  for name in NAMES:
    found = pathlib.Path(shipped_files.find(prefix + name))
    assert found.samefile(EXPERIMENTS / name)
    assert shipped_files.find(prefix + name, "a") == str(found)


def test_a_file_of_the_user_comes_first(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for name in ("pretrain/bert_base.yaml", "a/pretrain/bert_base.yaml"):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("task: {seed: 1}")
  name = "pretrain/bert_base.yaml"
  assert shipped_files.find(name) == name
  assert shipped_files.find(name, "a") == f"a/{name}"


@pytest.mark.parametrize(
  "path",
  [
    *("", "pretrain", "bert_base.yaml", "pretrain/bert_bse.yaml", "~/a.yaml"),
    *("../experiments/pretrain/bert_base.yaml", "./pretrain/bert_base.yaml"),
    *("/pretrain/bert_base.yaml", "gs://pretrain/bert_base.yaml"),
    *("experiments/experiments/pretrain/bert_base.yaml", "explain/page.html"),
  ],
)
def test_other_names_are_left_alone(path, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert shipped_files.find(path) == path
