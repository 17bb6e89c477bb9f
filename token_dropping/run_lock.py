# SPDX-License-Identifier: Apache-2.0
"""One training process to a run folder."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator

from token_dropping import errors

FILE = "run.lock"


@contextlib.contextmanager
def held(model_dir: str) -> Iterator[None]:
  """Holds the folder of a run while training.

  The lock is the operating system's: it ends with its process, however that
  ends, so there are no stale ones. The file names process and host for the
  message, and stays. Folders on other filesystems, such as `gs://`, are not
  locked.

  Args:
    model_dir: an existing folder.

  Raises:
    UserError: another process trains there.
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
