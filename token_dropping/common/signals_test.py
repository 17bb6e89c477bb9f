# SPDX-License-Identifier: Apache-2.0
"""Tests of signals that become exceptions."""

import signal
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


def test_a_signal_is_an_exception():
  with pytest.raises(_StopError, match=str(int(NUMBER))):
    signal.raise_signal(NUMBER)


def test_in_a_destructor_it_comes_again():
  with pytest.raises(_StopError):
    ending = _Ending()
    del ending
    time.sleep(10)
