# SPDX-License-Identifier: Apache-2.0
"""Tests of jobs, with commands that take no time."""

import os
import signal
import sys
import threading

import pytest

from token_dropping.common import errors
from token_dropping.study import jobs

CORES = sorted(os.sched_getaffinity(0))


def _python(code: str) -> tuple[str, ...]:
  return (sys.executable, "-c", code)


def _job(folder, name, *codes, finished=None) -> jobs.Job:
  finish = (finished if finished is not None else []).append
  stages = tuple(
    jobs.Stage((_python(code),), lambda i=i: finish(f"{name} {i}"))
    for i, code in enumerate(codes)
  )
  return jobs.Job(name, str(folder / name), stages)


def test_stages_follow_one_another(tmp_path):
  finished = []
  both = [
    _job(tmp_path, "a", "print(1)", "print(2)", finished=finished),
    _job(tmp_path, "b", "print(3)", finished=finished),
  ]
  jobs.run(both, [CORES])
  assert finished == ["a 0", "a 1", "b 0"]
  assert (tmp_path / "a" / "log.txt").read_text() == "1\n2\n"


def test_a_stage_may_have_several_commands(tmp_path):
  done = []
  stage = jobs.Stage(
    (_python("print(1)"), _python("print(2)")), lambda: done.append(1)
  )
  jobs.run([jobs.Job("a", str(tmp_path), (stage,))], [CORES])
  assert done == [1]
  assert (tmp_path / "log.txt").read_text() == "1\n2\n"


def test_cores_are_shared():
  assert jobs.shares(1) == [CORES]
  alone = jobs.shares(len(CORES))
  assert alone == [[core] for core in CORES]
  with pytest.raises(errors.UserError) as caught:
    jobs.shares(len(CORES) + 1)
  assert str(caught.value) == (
    f"--jobs must be at least 1 and at most the cores ({len(CORES)}). "
    f"Received: {len(CORES) + 1}"
  )


def test_a_job_has_its_cores_alone(tmp_path):
  code = "import os; print(os.sched_getaffinity(0), os.environ['{}'])"
  name = "TF_NUM_INTRAOP_THREADS"
  jobs.run([_job(tmp_path, "a", code.format(name))], [CORES[-1:]])
  expected = f"{{{CORES[-1]}}} 1\n"
  assert (tmp_path / "a" / "log.txt").read_text() == expected


def test_a_failure_is_named_and_ends_the_others(tmp_path):
  failing = _job(tmp_path, "b", "print('no luck'); raise SystemExit(3)")
  finished = []
  other = _job(tmp_path, "a", "import time; time.sleep(60)", finished=finished)
  never = _job(tmp_path, "c", "print(1)", finished=finished)
  with pytest.raises(errors.UserError) as caught:
    jobs.run([other, failing, never], [CORES[:1], CORES[-1:]])
  log = tmp_path / "b" / "log.txt"
  assert str(caught.value) == (
    f"the run b must succeed, see {log}. Received: exit code 3, no luck"
  )
  assert finished == [] and not (tmp_path / "c").exists()


def test_sigterm_ends_the_jobs(tmp_path):
  job = _job(tmp_path, "a", "import time; print(1, flush=True); time.sleep(60)")
  timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
  timer.start()
  before = signal.getsignal(signal.SIGTERM)
  with pytest.raises(errors.StoppedError, match="stopped by SIGTERM") as caught:
    jobs.run([job], [CORES])
  timer.join()
  assert caught.value.code == 143
  assert signal.getsignal(signal.SIGTERM) == before
