# SPDX-License-Identifier: Apache-2.0
"""Tests of `import token_dropping`, here and where its wheel is installed."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import token_dropping

ROOT = pathlib.Path(__file__).parents[1]
BUILD = (
  "from setuptools import build_meta as backend;"
  "backend.build_sdist('built'); backend.build_wheel('built')"
)


def test_public_names_are_there():
  for name in token_dropping.__all__:
    value = getattr(token_dropping, name)
    assert name == "__version__" or value.__name__ == name
    assert name in dir(token_dropping)


def test_other_names_are_not():
  with pytest.raises(AttributeError, match="has no attribute 'Encoder'"):
    _ = token_dropping.Encoder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
  """A folder with the sdist and the wheel that a clean clone makes."""
  clone = tmp_path_factory.mktemp("clone")
  for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md"):
    shutil.copy(ROOT / name, clone)
  for name in ("experiments", "tests", "token_dropping"):
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / name, clone / name, symlinks=True, ignore=ignored)
  command = [sys.executable, "-c", BUILD]
  subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)
  return clone / "built"


def _is_test(path: pathlib.Path) -> bool:
  return path.name.endswith("_test.py") or path.name == "conftest.py"


def test_built_is_all_but_tests(built):
  folder = ROOT / "token_dropping"
  files = [*folder.rglob("*.py"), *folder.rglob("*.html")]
  files += folder.rglob("*.md")
  expected = {str(p.relative_to(ROOT)) for p in files if not _is_test(p)}
  expected |= {
    f"token_dropping/{path.relative_to(ROOT)}"
    for path in (ROOT / "experiments").rglob("*.yaml")
  }
  (wheel,) = built.glob("*.whl")
  found = set(zipfile.ZipFile(wheel).namelist())
  assert {name for name in found if ".dist-info/" not in name} == expected
  (sdist,) = built.glob("*.tar.gz")
  with tarfile.open(sdist) as archive:
    files = [member.name for member in archive if member.isfile()]
  below = {name.partition("/")[2] for name in files}
  assert expected <= below
  assert not [name for name in below - expected if name.startswith("tests/")]


# In a fresh environment beside the present one: no file of the repository but
# the launcher at Model Garden's path, no package of an extra.
INSTALLED = """
import runpy, sys, token_dropping
assert token_dropping.__file__.startswith(sys.argv[1]), token_dropping.__file__
dir(token_dropping)
assert 'tensorflow' not in sys.modules
assert token_dropping.TokenDropEncoder.__name__ == 'TokenDropEncoder'
assert 'tensorflow' in sys.modules
sys.modules |= {'apache_beam': None, 'gensim': None}
import token_dropping.study.session
_, _, launcher, *flags = sys.argv
sys.argv = [launcher, *flags]
runpy.run_path(launcher, run_name='__main__')
"""
SIZES = ("hidden_size=12", "vocab_size=150", "num_layers=3", "restore_layer=2")
DATA = ("global_batch_size=2", "seq_length=8", "max_predictions_per_seq=2")
TINY = [
  "runtime.enable_xla=false",
  *(f"task.model.encoder.any.{field}" for field in SIZES),
  *(f"task.train_data.{field}" for field in DATA),
]


def test_installed_it_trains_in_an_empty_folder(built, tmp_path):
  site, empty = tmp_path / "site", tmp_path / "empty"
  empty.mkdir()
  (wheel,) = built.glob("*.whl")
  zipfile.ZipFile(wheel).extractall(site)  # what pip does with it
  launcher = ROOT / "official/projects/token_dropping/train.py"
  overrides = ",".join(TINY)
  arguments = [
    *(site, launcher, "--experiment=token_drop_bert/pretraining", "--dry_run"),
    "--config_file=pretrain/bert_base.yaml",
    f"--params_override={overrides}",
  ]
  done = subprocess.run(
    [sys.executable, "-c", INSTALLED, *map(str, arguments)],
    cwd=empty,
    env=os.environ | {"PYTHONPATH": str(site)},
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == 0, done.stderr
  assert "Dry run: one step on 1 replica(s), loss" in done.stdout
  assert not list(empty.iterdir())
