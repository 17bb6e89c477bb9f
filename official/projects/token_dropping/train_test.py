# SPDX-License-Identifier: Apache-2.0
"""The folder `official/` adds a launcher and hides nothing of Model Garden."""

import os
import pathlib
import subprocess
import sys

import official

ROOT = pathlib.Path(__file__).parents[3]


def run_python(*args):
  """Runs Python in the repository root, with the root on its path."""
  return subprocess.run(
    [sys.executable, *args],
    cwd=ROOT,
    env=os.environ | {"PYTHONPATH": str(ROOT)},
    stdin=subprocess.DEVNULL,
    capture_output=True,
    text=True,
    timeout=300,
  )


def test_official_is_the_installed_package_here():
  assert ROOT / "official" not in pathlib.Path(official.__file__).parents


def test_official_is_the_installed_package_in_the_repository_root():
  program = (
    "import importlib.util, official;"
    "assert importlib.util.find_spec('official.nlp'), official.__path__;"
    "print(official.__file__)"
  )
  result = run_python("-c", program)
  assert result.returncode == 0, result.stderr
  assert not result.stdout.startswith(str(ROOT / "official"))


def test_no_folder_under_official_is_a_package():
  packages = list((ROOT / "official").rglob("__init__.py"))
  assert not packages, "an __init__.py under official/ hides Model Garden"


def test_launcher_runs_the_real_one():
  result = run_python("official/projects/token_dropping/train.py")
  assert result.returncode == 2, result.stderr
  assert "error: --experiment must be set" in result.stderr
