# SPDX-License-Identifier: Apache-2.0
"""Signals that become exceptions, also where these would be lost."""

import os
import threading
import types
from collections.abc import Callable

_AGAIN_SECONDS = 0.1


def raising(raise_it: Callable[[int], None]) -> Callable:
  """Returns a handler that calls `raise_it` with the number of the signal.

  It does not do so in a destructor, in which Python prints an exception and
  forgets it: there the process gets the signal again, a moment later.
  """

  def handle(number: int, frame: types.FrameType | None) -> None:
    if not _is_in_destructor(frame):
      raise_it(number)
      return
    again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()

  return handle


def _is_in_destructor(frame: types.FrameType | None) -> bool:
  while frame is not None and frame.f_code.co_name != "__del__":
    frame = frame.f_back
  return frame is not None
