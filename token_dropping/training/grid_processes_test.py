# SPDX-License-Identifier: Apache-2.0
"""Tests of runs in processes, with commands that take no time."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from token_dropping.common import errors
from token_dropping.training import grid
from token_dropping.training import grid_processes

CORES = sorted(os.sched_getaffinity(0))
PARENT = """
import subprocess, sys, time
child = subprocess.Popen(
  [*{before}, "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE
)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def _job(folder, name: str, *codes) -> grid_processes.Job:
  """Returns a job with a run for each tuple of codes, or of one code."""
  runs = []
  for index, code in enumerate(codes):
    commands = [code] if isinstance(code, str) else code
    path = str(folder / f"{name}_{index}.json")
    runs.append(
      grid.Run(
        f"{name} {index}",
        path,
        {},
        lambda index=index: {"score": index},
        tuple((sys.executable, "-c", command) for command in commands),
      )
    )
  return grid_processes.Job(name, str(folder / name), tuple(runs))


def _run(jobs, shares=(CORES,)) -> list[tuple]:
  results = []
  grid_processes.run_jobs(
    jobs, shares, lambda run, result: results.append((run.name, result))
  )
  return results


def test_runs_follow_one_another_each_with_its_commands(tmp_path):
  jobs = [
    _job(tmp_path, "a", "print(1)", ("print(2)", "print(3)")),
    _job(tmp_path, "b", "print(4)"),
  ]
  assert _run(jobs) == [
    ("a 0", {"score": 0}),
    ("a 1", {"score": 1}),
    ("b 0", {"score": 0}),
  ]
  assert (tmp_path / "a" / "log.txt").read_text() == "1\n2\n3\n"
  runs = [run for job in jobs for run in job.runs]
  assert len(grid.read_results(runs, "--output_dir")) == 3


def test_cores_are_shared():
  assert grid_processes.share_cores(1) == [CORES]
  alone = grid_processes.share_cores(len(CORES))
  assert alone == [[core] for core in CORES]
  with pytest.raises(errors.UserError) as caught:
    grid_processes.share_cores(len(CORES) + 1)
  assert str(caught.value) == (
    f"--jobs must be at least 1 and at most the cores ({len(CORES)}). "
    f"Received: {len(CORES) + 1}"
  )


def test_a_job_has_its_cores_alone(tmp_path):
  code = "import os; print(os.sched_getaffinity(0), os.environ['{}'])"
  name = "TF_NUM_INTRAOP_THREADS"
  _run([_job(tmp_path, "a", code.format(name))], [CORES[-1:]])
  expected = f"{{{CORES[-1]}}} 1\n"
  assert (tmp_path / "a" / "log.txt").read_text() == expected


def test_a_failure_is_named_and_ends_the_others(tmp_path):
  failing = _job(tmp_path, "b", "print('no luck'); raise SystemExit(3)")
  other = _job(tmp_path, "a", "import time; time.sleep(60)")
  never = _job(tmp_path, "c", "print(1)")
  with pytest.raises(errors.UserError) as caught:
    _run([other, failing, never], [CORES[:1], CORES[-1:]])
  log = tmp_path / "b" / "log.txt"
  assert str(caught.value) == (
    f"the run b must succeed, see {log}. Received: exit code 3, no luck"
  )
  assert not list(tmp_path.glob("*.json")) and not (tmp_path / "c").exists()


def test_sigterm_ends_the_jobs(tmp_path):
  job = _job(tmp_path, "a", "import time; print(1, flush=True); time.sleep(60)")
  timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
  timer.start()
  before = signal.getsignal(signal.SIGTERM)
  with pytest.raises(errors.StoppedError, match="stopped by SIGTERM") as caught:
    _run([job])
  timer.join()
  assert caught.value.code == 143
  assert signal.getsignal(signal.SIGTERM) == before


def test_tools_that_are_not_there_are_one_line(tmp_path, monkeypatch):
  monkeypatch.setenv("PATH", str(tmp_path))
  with pytest.raises(errors.UserError) as caught:
    _run([_job(tmp_path, "a", "")])
  assert str(caught.value) == (
    "setpriv of Linux's util-linux must be there to run what is missing. "
    "Received: a PATH without it"
  )
  assert _run([]) == []


def _is_running(pid: int) -> bool:
  try:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
      return file.read().rsplit(")", 1)[1].split()[0] != "Z"
  except FileNotFoundError:
    return False


def test_a_process_ends_with_its_parent():
  code = PARENT.format(before=grid_processes.WITH_PARENT)
  parent = subprocess.Popen(
    [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
  )
  child = int(parent.stdout.readline())
  assert _is_running(child)
  parent.send_signal(signal.SIGKILL)
  parent.wait()
  deadline = time.monotonic() + 20
  while _is_running(child) and time.monotonic() < deadline:
    time.sleep(0.05)
  assert not _is_running(child)
