# SPDX-License-Identifier: Apache-2.0
"""Tests of the lock of a run folder."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from token_dropping.common import errors
from token_dropping.training import run_lock


def test_a_second_run_is_refused_with_the_first_ones_name(tmp_path):
  folder = str(tmp_path)
  with (
    run_lock.held(folder),
    pytest.raises(errors.UserError) as caught,
    run_lock.held(folder),
  ):
    pass
  assert str(caught.value) == (
    "--model_dir must be a folder in which no other run trains. Received: "
    f"{folder!r}, in use by process {os.getpid()} on {socket.gethostname()}"
  )
  with run_lock.held(folder):  # the lock ended with the run
    pass


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
  code = (
    "import time\nfrom token_dropping.training import run_lock\n"
    f"with run_lock.held({str(tmp_path)!r}):\n"
    "  print('held', flush=True)\n  time.sleep(600)\n"
  )
  process = subprocess.Popen(
    [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
  )
  assert process.stdout.readline() == "held\n"
  with (
    pytest.raises(errors.UserError, match=f"process {process.pid} on "),
    run_lock.held(str(tmp_path)),
  ):
    pass
  process.send_signal(signal.SIGKILL)
  process.communicate()
  with run_lock.held(str(tmp_path)):
    assert f"process {os.getpid()} " in (tmp_path / run_lock.FILE).read_text()


def test_other_filesystems_are_not_locked():
  with run_lock.held("gs://bucket/run"), run_lock.held("gs://bucket/run"):
    pass


def test_waiting_for_a_run_that_ends(tmp_path):
  folder = str(tmp_path)
  assert run_lock.wait_until_free(str(tmp_path / "none"), seconds=0)
  with contextlib.ExitStack() as stack:
    stack.enter_context(run_lock.held(folder))
    assert not run_lock.wait_until_free(folder, seconds=0)
    timer = threading.Timer(0.3, stack.close)
    timer.start()
    assert run_lock.wait_until_free(folder, seconds=60)
    timer.join()
