# SPDX-License-Identifier: Apache-2.0
"""The settings that come with the package: what `experiments/` holds."""

import importlib.resources
import os

from token_dropping.common import files

_FOLDER = "experiments"  # beside this package in the repository, a link to it


def find(path: str, folder: str = "") -> str:
  """Returns the path of a file that is named from a folder on.

  Where there is none, and the name is one in `experiments/`, it is that one.

  >>> find("none.yaml", "here")
  'here/none.yaml'
  >>> os.path.isfile(find("pretrain/bert_base.yaml", "here"))
  True
  """
  named = os.path.normpath(os.path.join(folder, path)) if folder else path
  shipped = _shipped().get(path.removeprefix(f"{_FOLDER}/"))
  return named if shipped is None or files.exists(named) else shipped


def _shipped() -> dict[str, str]:
  """Returns the paths of the files by their names in `experiments/`."""
  root = importlib.resources.files("token_dropping").joinpath(_FOLDER)
  return {str(p.relative_to(root)): str(p) for p in root.rglob("*.yaml")}
