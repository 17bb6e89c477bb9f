# SPDX-License-Identifier: Apache-2.0
"""Handlers of signals, and those that become exceptions."""

import contextlib
import os
import signal
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

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


@contextlib.contextmanager
def handling(handlers: Mapping[int, Any]) -> Iterator[None]:
  """Has other handlers of signals, by number, while its block runs.

  In other threads than the main one, which may have none, it does nothing.
  """
  is_main = threading.current_thread() is threading.main_thread()
  before = {
    number: signal.signal(number, handler)
    for number, handler in (handlers if is_main else {}).items()
  }
  try:
    yield
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


def _is_in_destructor(frame: types.FrameType | None) -> bool:
  while frame is not None and frame.f_code.co_name != "__del__":
    frame = frame.f_back
  return frame is not None
