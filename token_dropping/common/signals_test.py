# SPDX-License-Identifier: Apache-2.0
"""Tests of handlers of signals."""

import signal
import threading
import time

import pytest

from token_dropping.common import signals

NUMBER = signal.SIGUSR1


class _StopError(Exception):
  """What the handler raises."""


class _Ending:
  """In whose destructor the signal comes."""

  def __del__(self):
    signal.raise_signal(NUMBER)


@pytest.fixture(autouse=True)
def _handler():
  def stop(number: int):
    raise _StopError(number)

  before = signal.signal(NUMBER, signals.raising(stop))
  yield
  signal.signal(NUMBER, before)


def test_handlers_are_those_of_the_main_thread_while_a_block_runs():
  found, before = [], signal.getsignal(NUMBER)

  def look() -> None:
    with signals.handling({NUMBER: signal.SIG_IGN}):
      found.append(signal.getsignal(NUMBER))

  look()
  thread = threading.Thread(target=look)
  thread.start()
  thread.join()
  assert found == [signal.SIG_IGN, before]
  assert signal.getsignal(NUMBER) is before


def test_a_signal_is_an_exception():
  with pytest.raises(_StopError, match=str(int(NUMBER))):
    signal.raise_signal(NUMBER)


def test_in_a_destructor_it_comes_again():
  with pytest.raises(_StopError):
    ending = _Ending()
    del ending
    time.sleep(10)
