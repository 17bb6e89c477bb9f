# SPDX-License-Identifier: Apache-2.0
"""Tests of grids, and of runs in processes, with commands that take no time."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests import testing
from token_dropping.common import errors
from token_dropping.training import grid

CORES = sorted(os.sched_getaffinity(0))


def _runs(folder, measured: list, **identities) -> list[grid.Run]:
  def run(name: str, seed: int) -> grid.Run:
    def measure() -> dict:
      measured.append(name)
      return {"score": seed}

    return grid.Run(name, str(folder / f"{name}.json"), {"seed": seed}, measure)

  return [run(name, seed) for name, seed in identities.items()]


def test_what_is_missing_is_done_and_all_comes_back_in_order(tmp_path):
  measured = []
  _, second = runs = _runs(tmp_path, measured, a=1, b=2)
  grid.finish(second)
  assert grid.read_results(runs, "--model_dir") == {"b": {"score": 2}}
  for _ in range(2):
    results = grid.run_here(runs, "--model_dir")
    assert results == [{"score": 1}, {"score": 2}]
  assert measured == ["b", "a"]


def test_a_result_of_something_else_is_refused_before_anything_is_done(
  tmp_path,
):
  measured = []
  path = str(tmp_path / "b.json")
  grid.write_result(path, {"seed": 2, "names": ("a",)}, {})
  runs = _runs(tmp_path, measured, a=1, b=3)
  assert testing.refused(grid.run_here, runs, "--model_dir") == (
    "--model_dir must be new or hold results of the same experiment. Received: "
    f"{path!r}, of another one: names is ['a'] there and None here"
  )
  assert not measured


def test_a_tuple_is_a_list(tmp_path):
  path, identity = str(tmp_path / "a.json"), {"names": ("a",)}
  grid.write_result(path, identity, {"score": 0.5})
  assert grid.read_result(path, identity, "--model_dir") == {"score": 0.5}
  assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("content", ["{", "[]", "{}", "1"])
def test_what_is_no_result_is_refused(tmp_path, content):
  path = tmp_path / "result.json"
  path.write_text(content)
  message = testing.refused(grid.read_result, str(path), {}, "--model_dir")
  assert message == (
    f"--model_dir must hold results. Received: {str(path)!r}, which is none"
  )


# In processes.


def _job(folder, name: str, *codes) -> grid.Job:
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
  return grid.Job(name, str(folder / name), tuple(runs))


def _run(jobs, shares=(CORES,)) -> list[tuple]:
  results = []
  grid.run_jobs(
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


def test_a_job_waits_for_another_one(tmp_path):
  first = _job(tmp_path, "a", "import time; time.sleep(0.5)")
  waits = dataclasses.replace(_job(tmp_path, "b", "print(1)"), after="a")
  free = dataclasses.replace(_job(tmp_path, "c", "print(2)"), after="done")
  shares = [CORES[:1], CORES[-1:]]
  names = [name for name, _ in _run([first, waits, free], shares)]
  assert names == ["c 0", "a 0", "b 0"]


def test_cores_are_shared():
  assert grid.share_cores(1) == [CORES]
  alone = grid.share_cores(len(CORES))
  assert alone == [[core] for core in CORES]
  assert testing.refused(grid.share_cores, len(CORES) + 1) == (
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
  jobs, shares = [other, failing, never], [CORES[:1], CORES[-1:]]
  log = tmp_path / "b" / "log.txt"
  assert testing.refused(_run, jobs, shares) == (
    f"the run b must succeed, see {log}. Received: exit code 3, no luck"
  )
  assert not list(tmp_path.glob("*.json")) and not (tmp_path / "c").exists()


@pytest.mark.parametrize(
  ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_signals_end_the_jobs(tmp_path, number, code):
  job = _job(tmp_path, "a", "import time; print(1, flush=True); time.sleep(60)")
  timer = threading.Timer(0.5, os.kill, (os.getpid(), number))
  timer.start()
  before = signal.getsignal(number)
  with pytest.raises(errors.StoppedError, match=f"by {number.name};") as caught:
    _run([job])
  timer.join()
  assert caught.value.code == code
  assert signal.getsignal(number) == before


def test_tools_that_are_not_there_are_one_line(tmp_path, monkeypatch):
  monkeypatch.setenv("PATH", str(tmp_path))
  assert testing.refused(_run, [_job(tmp_path, "a", "")]) == (
    "setpriv of Linux's util-linux must be there to run what is missing. "
    "Received: a PATH without it"
  )
  assert _run([]) == []


def test_a_process_ends_with_its_parent():
  code = "import subprocess, sys; subprocess.run(sys.argv[1:])"
  child = [*grid.WITH_PARENT, "sh", "-c", "echo; exec sleep 60"]
  parent = subprocess.Popen(
    [sys.executable, "-c", code, *child], stdout=subprocess.PIPE
  )
  assert parent.stdout.readline() == b"\n"
  start = time.monotonic()
  parent.kill()
  assert parent.stdout.read() == b""  # nobody is left who could write
  parent.wait()
  assert time.monotonic() - start < 30
