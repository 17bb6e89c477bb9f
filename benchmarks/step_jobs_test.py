# SPDX-License-Identifier: Apache-2.0
"""Tests of measuring processes: how one ends, and what it is told."""

import dataclasses
import json
import shutil
import sys

import pytest

from benchmarks import step_jobs
from tests import step_testing
from token_dropping.common import errors


def test_success_passes_whatever_it_prints():
  step_jobs.check_end(0, "ValueError: out of memory")


@pytest.mark.parametrize(
  ("code", "log"),
  [
    (-9, ""),  # killed by the system
    (1, "RESOURCE_EXHAUSTED: OOM when allocating tensor"),
    (1, "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried"),
    (-6, "terminate called after throwing an instance of 'std::bad_alloc'"),
    (1, "RESOURCE_EXHAUSTED: Out of memory while trying to allocate"),
  ],
)
def test_too_little_memory(code, log):
  with pytest.raises(step_jobs.DoesNotFitError):
    step_jobs.check_end(code, log)


@pytest.mark.parametrize(
  ("log", "received"),
  [
    ("", "exit code 3"),
    ("Traceback\n  File\nKeyError: 'a'\nValueError: b\n", "ValueError: b"),
    (
      "tensorflow.python.framework.errors_impl.NotFoundError: no\nmore\n",
      "tensorflow.python.framework.errors_impl.NotFoundError: no",
    ),
  ],
)
def test_other_failures_are_one_line(log, received):
  with pytest.raises(errors.UserError) as caught:
    step_jobs.check_end(3, log)
  assert str(caught.value) == (
    f"a measuring process must succeed. Received: {received}"
  )


def test_a_failing_process_is_told_of(monkeypatch):
  monkeypatch.setattr(sys, "executable", shutil.which("false"))
  job = step_jobs.Job(step_jobs.TIMES, step_testing.TINY, ("dense",))
  with pytest.raises(errors.UserError, match="Received: exit code 1"):
    step_jobs.run(job)


def test_a_job_is_read_as_it_was_written(tmp_path):
  job = step_jobs.Job(step_jobs.ALONE, step_testing.BASE, ("ours",), 3, "local")
  (tmp_path / "job").write_text(json.dumps(dataclasses.asdict(job)))
  assert step_jobs.Job.read(tmp_path / "job") == job


def test_alone_is_measured_once_for_all_ratios():
  case = dataclasses.replace(step_testing.BASE, keep_ratio=0.25)
  whole = dataclasses.replace(case, keep_ratio=1.0)
  for name, of_name in (
    ("ours", case),
    ("published", case),
    ("dense", whole),
    ("torch", dataclasses.replace(whole, xla=False)),
  ):
    assert step_jobs.alone(case, name).case == of_name
