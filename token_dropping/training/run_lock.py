# SPDX-License-Identifier: Apache-2.0
"""One training process to a run folder."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator

from token_dropping.common import errors

FILE = "run.lock"


def wait_until_free(model_dir: str, seconds: float) -> bool:
  """Waits for a process that ends; returns whether the folder is free."""
  end = time.monotonic() + seconds
  while _is_held(os.path.join(model_dir, FILE)):
    if time.monotonic() > end:
      return False
    time.sleep(0.2)
  return True


def _is_held(path: str) -> bool:
  try:
    with open(path, encoding="utf-8") as file:
      fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
  except FileNotFoundError:
    return False
  except BlockingIOError:
    return True
  return False


@contextlib.contextmanager
def held(model_dir: str) -> Iterator[None]:
  """Holds the folder of a run, or raises `UserError` if another trains there.

  The operating system's lock ends with its process, however that ends. The
  file names process and host for the message, and stays. Folders on other
  filesystems, such as `gs://`, are not locked.
  """
  if "://" in model_dir:
    yield
    return
  path = os.path.join(model_dir, FILE)
  with contextlib.ExitStack() as stack:
    try:
      file = stack.enter_context(open(path, "a+", encoding="utf-8"))
    except OSError as error:
      raise errors.UserError(
        f"--model_dir must be a writable folder. Received: {model_dir!r}"
      ) from error
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      file.seek(0)
      raise errors.UserError(
        "--model_dir must be a folder in which no other run trains. "
        f"Received: {model_dir!r}, in use by {file.read().strip()}"
      ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    yield
