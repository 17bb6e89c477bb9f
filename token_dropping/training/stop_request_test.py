# SPDX-License-Identifier: Apache-2.0
"""Tests of the request to stop."""

import os
import signal
import threading
import time

import pytest
import tensorflow as tf

from token_dropping.training import stop_request

LOOPS = 10_000_000  # more than a test waits for


def _terminate(stop: stop_request.StopRequest) -> None:
  """Sends SIGTERM and waits until it is noted."""
  os.kill(os.getpid(), signal.SIGTERM)
  for _ in range(1000):
    if stop.flag:
      return
    time.sleep(0.01)
  pytest.fail("SIGTERM was not noted")


def test_sigterm_is_noted():
  stop = stop_request.StopRequest()
  with stop.watching():
    assert not stop.flag
    _terminate(stop)
  assert stop.flag


def test_a_running_loop_sees_it():
  stop = stop_request.StopRequest()

  @tf.function
  def loop() -> tf.Tensor:
    count = 0
    for _ in tf.range(LOOPS):
      count += 1
      if stop.flag:
        break
    return count

  def send() -> None:
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)

  thread = threading.Thread(target=send)
  with stop.watching():
    thread.start()
    assert 0 < int(loop()) < LOOPS
  thread.join()


def test_other_signals_are_not_meant():
  old = signal.signal(signal.SIGUSR1, lambda *_: None)
  stop = stop_request.StopRequest()
  try:
    with stop.watching():
      os.kill(os.getpid(), signal.SIGUSR1)
    # The listener has read all that was sent: it is joined.
    assert not stop.flag
  finally:
    signal.signal(signal.SIGUSR1, old)


def test_what_was_there_before_is_there_again():
  handler = signal.getsignal(signal.SIGTERM)
  threads = threading.active_count()
  with stop_request.StopRequest().watching():
    assert signal.getsignal(signal.SIGTERM) is not handler
  assert signal.getsignal(signal.SIGTERM) is handler
  assert signal.set_wakeup_fd(-1) == -1
  assert threading.active_count() == threads


def test_other_threads_watch_for_nothing():
  handlers = []

  def watch() -> None:
    with stop_request.StopRequest().watching():
      handlers.append(signal.getsignal(signal.SIGTERM))

  thread = threading.Thread(target=watch)
  thread.start()
  thread.join()
  assert handlers == [signal.getsignal(signal.SIGTERM)]
