# SPDX-License-Identifier: Apache-2.0
"""The folder `official/` adds a launcher and hides nothing of Model Garden."""

import os
import pathlib
import runpy
import subprocess
import sys

import official

from token_dropping import train

ROOT = pathlib.Path(__file__).parents[3]


def test_official_is_the_installed_package_in_the_repository_root():
  assert ROOT / "official" not in pathlib.Path(official.__file__).parents
  program = (
    "import importlib.util, official;"
    "assert importlib.util.find_spec('official.nlp'), official.__path__;"
    "print(official.__file__)"
  )
  result = subprocess.run(
    [sys.executable, "-c", program],
    cwd=ROOT,
    env=os.environ | {"PYTHONPATH": str(ROOT)},
    capture_output=True,
    text=True,
  )
  assert result.returncode == 0, result.stderr
  assert not result.stdout.startswith(str(ROOT / "official"))


def test_no_folder_under_official_is_a_package():
  packages = list((ROOT / "official").rglob("__init__.py"))
  assert not packages, "an __init__.py under official/ hides Model Garden"


def test_launcher_runs_the_real_one(monkeypatch):
  runs = []
  monkeypatch.setattr(train, "main_program", lambda: runs.append("train"))
  path = ROOT / "official/projects/token_dropping/train.py"
  runpy.run_path(str(path), run_name="__main__")
  assert runs == ["train"]
