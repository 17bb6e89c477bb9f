# SPDX-License-Identifier: Apache-2.0
"""Tests of a command that ends when its parent does."""

import os
import signal
import subprocess
import sys
import time

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([
  sys.executable, "-m", "token_dropping.study.child", "{core}",
  sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)",
], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def _is_running(pid: int) -> bool:
  try:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
      return file.read().rsplit(")", 1)[1].split()[0] != "Z"
  except FileNotFoundError:
    return False


def test_a_child_ends_with_its_parent():
  core = min(os.sched_getaffinity(0))
  parent = subprocess.Popen(
    [sys.executable, "-c", PARENT.format(core=core)],
    stdout=subprocess.PIPE,
    text=True,
  )
  child = int(parent.stdout.readline())
  assert _is_running(child)
  parent.send_signal(signal.SIGKILL)
  parent.communicate()
  deadline = time.monotonic() + 20
  while _is_running(child) and time.monotonic() < deadline:
    time.sleep(0.05)
  assert not _is_running(child)
