# SPDX-License-Identifier: Apache-2.0
"""Every BUILD file lists the Python files of its folder and their imports."""

import ast
import functools
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
TREES = ("token_dropping", "official", "benchmarks")
SOURCE_RULES = ("py_library", "py_binary")
TEST_RULES = ("py_test",)

PYTHON_FILES = sorted(
  path.relative_to(ROOT)
  for tree in TREES
  for path in (ROOT / tree).rglob("*.py")
)
BUILD_FILES = sorted(
  path.relative_to(ROOT)
  for tree in TREES
  for path in (ROOT / tree).rglob("BUILD")
)


@functools.cache
def read_targets(build_file):
  """Returns the `py_*` targets of a BUILD file, which is Python syntax.

  Each is a dictionary of its arguments, with the name of the rule as `rule`.
  """
  targets = []
  for statement in ast.parse((ROOT / build_file).read_text("utf-8")).body:
    call = getattr(statement, "value", None)
    if not isinstance(call, ast.Call) or not call.func.id.startswith("py_"):
      continue
    target = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    targets.append(target | {"rule": call.func.id})
  return targets


def find_targets(path):
  """Returns the targets that have a Python file among their `srcs`."""
  build_file = path.parent / "BUILD"
  assert (ROOT / build_file).is_file(), (
    f"{path}: no {build_file}. Fix: add it, with a target for {path.name}"
  )
  return [
    target
    for target in read_targets(build_file)
    if path.name in target.get("srcs", [])
  ]


def imported_labels(path):
  """Returns the labels of our own modules that a Python file imports."""
  labels = set()
  for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
    if isinstance(node, ast.Import):
      labels |= {label_of(alias.name) for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, (
        f"{path}:{node.lineno}: relative import. Fix: write the whole name"
      )
      for alias in node.names:
        submodule = label_of(f"{node.module}.{alias.name}")
        labels.add(submodule or label_of(node.module))
  return labels - {None}


def label_of(module):
  """Returns the label of a module or package of ours, `None` for others'."""
  folder, _, name = module.replace(".", "/").rpartition("/")
  if folder.split("/")[0] in TREES and (ROOT / f"{folder}/{name}.py").is_file():
    return f"//{folder}:{name}"
  path = module.replace(".", "/")
  if path.split("/")[0] in TREES and (ROOT / path / "__init__.py").is_file():
    return f"//{path}:{path.split('/')[-1]}"
  return None


def own_deps(target, folder):
  """Returns the labels in `deps` that name targets of this repository."""
  labels = set()
  for label in target.get("deps", []):
    if label.startswith(":"):
      label = f"//{folder}{label}"
    if label.startswith("//") and ":" not in label:
      label = f"{label}:{label.rpartition('/')[2]}"
    if label.startswith("//"):
      labels.add(label)
  return labels


@pytest.mark.parametrize("path", PYTHON_FILES, ids=str)
def test_file_is_in_one_target_of_the_right_kind(path):
  rules = [target["rule"] for target in find_targets(path)]
  allowed = TEST_RULES if path.name.endswith("_test.py") else SOURCE_RULES
  assert len(rules) == 1 and rules[0] in allowed, (
    f"{path} must be in srcs of exactly one {' or '.join(allowed)} of "
    f"{path.parent}/BUILD. Received: {', '.join(rules) or 'none'}"
  )


@pytest.mark.parametrize("path", PYTHON_FILES, ids=str)
def test_deps_are_the_imports(path):
  imports = imported_labels(path)
  for target in find_targets(path):
    deps = own_deps(target, path.parent.as_posix())
    assert imports == deps, (
      f"{path.parent}/BUILD: deps of {target['name']!r} must be what {path} "
      f"imports. Fix: add {sorted(imports - deps)}, "
      f"remove {sorted(deps - imports)}"
    )


@pytest.mark.parametrize("build_file", BUILD_FILES, ids=str)
def test_sources_exist(build_file):
  missing = [
    source
    for target in read_targets(build_file)
    for source in target.get("srcs", [])
    if not (ROOT / build_file.parent / source).is_file()
  ]
  assert not missing, f"{build_file}: no such files. Fix: remove {missing}"


@pytest.mark.parametrize(
  ("lower", "higher"),
  [
    ("token_dropping/layers/*.py", "//token_dropping:encoder"),
    ("token_dropping/data/*.py", "//token_dropping:encoder"),
    ("token_dropping/encoder.py", "//token_dropping:masked_lm"),
    ("token_dropping/masked_lm.py", "//token_dropping:train"),
    ("token_dropping/serving/*.py", "//token_dropping:masked_lm"),
    ("token_dropping/trained_run.py", "//token_dropping:masked_lm"),
  ],
)
def test_arrows_point_from_scripts_to_layers(lower, higher):
  for path in ROOT.glob(lower):
    if not path.name.endswith("_test.py"):
      path = path.relative_to(ROOT)
      assert higher not in reachable_labels(path), (
        f"{path} must not import {higher}, not even through other modules"
      )


def reachable_labels(path):
  """Returns the labels of all modules that importing a file loads."""
  reached, waiting = set(), imported_labels(path)
  while waiting:
    label = waiting.pop()
    reached.add(label)
    path = pathlib.Path(label[2:].replace(":", "/") + ".py")
    if (ROOT / path).is_file():
      waiting |= imported_labels(path) - reached
  return reached
