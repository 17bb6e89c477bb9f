# SPDX-License-Identifier: Apache-2.0
"""A folder that appears under its name when it is complete, or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from token_dropping.common import errors


@contextlib.contextmanager
def new_folder(path: str) -> Iterator[str]:
  """Makes a folder beside `path` and renames it when the block has ended.

  Args:
    path: the final name, on a local disk; must not exist, or be empty.

  Yields:
    The folder to write into. It is removed if the block raises.

  Raises:
    UserError: `path` exists or cannot be made.
  """
  check_new(path)
  final = os.path.abspath(path)
  work = f"{final}.incomplete-{os.getpid()}"
  try:
    os.makedirs(work)
  except OSError as error:
    raise errors.UserError(
      f"--output_dir must be a writable folder. Received: {path!r} "
      f"({error.strerror})"
    ) from error
  try:
    yield work
    os.replace(work, final)
  finally:
    shutil.rmtree(work, ignore_errors=True)  # gone already if all went well


def check_new(path: str) -> None:
  """Refuses a folder that is not empty, or another file of that name.

  Raises:
    UserError: likewise, or `path` is empty.
  """
  if not path:
    raise errors.UserError("--output_dir must be set. Received: nothing")
  if os.path.lexists(path) and not (
    os.path.isdir(path) and not os.listdir(path)
  ):
    raise errors.UserError(
      f"--output_dir must not exist, or be an empty folder. Received: {path!r}"
    )
