# SPDX-License-Identifier: Apache-2.0
"""Tests of measuring processes: turns, memory of a step, and how one ends."""

import dataclasses
import itertools
import shutil
import sys
from unittest import mock

import numpy as np
import pytest

from benchmarks import step_jobs
from tests import step_testing
from tests import testing

MIB = 2**20
PROGRAM = "{}.cpu_after_optimizations-buffer-assignment.txt"


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
    ("errors_impl.NotFoundError: no\nmore\n", "errors_impl.NotFoundError: no"),
  ],
)
def test_other_failures_are_one_line(log, received):
  message = f"a measuring process must succeed. Received: {received}"
  assert testing.refused(step_jobs.check_end, 3, log) == message
  step_jobs.check_end(0, "ValueError: out of memory")  # whatever it prints


def test_a_failing_process_is_told_of(monkeypatch):
  monkeypatch.setattr(sys, "executable", shutil.which("false"))
  job = step_jobs.Job(step_jobs.TIMES, step_testing.TINY, ("dense",))
  assert "Received: exit code 1" in testing.refused(step_jobs.run, job)


def test_alone_is_measured_once_for_all_ratios():
  case = dataclasses.replace(step_testing.BASE, keep_ratio=0.25)
  whole = dataclasses.replace(case, keep_ratio=1.0)
  names = ("ours", "published", "dense", "torch")
  assert [step_jobs.alone(case, name).case for name in names] == [
    *(case, case, whole),
    dataclasses.replace(whole, xla=False),
  ]


def test_memory_of_a_contender(tmp_path):
  case = dataclasses.replace(step_testing.TINY, num_layers=2)
  job = step_jobs.alone(case, "dense")
  # Sizes mean nothing in a process that has done more.
  sizes = {"peak": mock.ANY, "step": mock.ANY, "gpu": None}
  assert step_jobs.measure_alone(job, tmp_path) == sizes


def test_peak_is_that_of_the_step_alone():
  step_jobs.peak_bytes(lambda: np.ones(256 * MIB, np.uint8))
  before = step_jobs.resident_bytes()
  assert step_jobs.peak_bytes(lambda: None) - before < 64 * MIB
  peak = step_jobs.peak_bytes(lambda: np.ones(64 * MIB, np.uint8))
  # Pages that other threads give back meanwhile make it a little less.
  assert 60 * MIB < peak - before < 96 * MIB


def test_temporaries_of_the_largest_program(tmp_path):
  assert step_jobs.temporary_bytes(tmp_path / "dump") is None
  small, step = (tmp_path / PROGRAM.format(name) for name in ("a", "step"))
  small.write_text("allocation 1: size 128, maybe-live-out:\n")
  assert step_jobs.temporary_bytes(tmp_path) == 0
  step.write_text(
    "BufferAssignment:\n"
    "allocation 0: size 1000, parameter 6, shape |f32[250]| at ShapeIndex {}:\n"
    "allocation 1: size 300, preallocated-temp:\n"
    " value: <1 dot @0> (size=200,offset=0): f32[50]\n"
    "allocation 2: size 40, thread-local:\n"
    "allocation 3: size 7, preallocated-temp:\n"
  )
  assert step_jobs.temporary_bytes(tmp_path) == 307


def test_steps_take_turns_and_are_timed_after_the_warm_up(monkeypatch):
  # A clock that reads 0, 1, 3, 6, 10, ...: call n takes 2 n + 1 seconds.
  readings = itertools.accumulate(itertools.count())
  monkeypatch.setattr(step_jobs.time, "perf_counter", lambda: next(readings))
  calls = []
  steps = {name: lambda name=name: calls.append(name) for name in "ab"}
  seconds = step_jobs.interleaved(steps, rounds=2)
  assert seconds == {"a": [9, 13], "b": [11, 15]}
  assert calls == ["a", "b"] * (step_jobs.WARM_UP_ROUNDS + 2)
