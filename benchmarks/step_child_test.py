# SPDX-License-Identifier: Apache-2.0
"""Tests of turns and of the memory of a step."""

import itertools

import numpy as np
import pytest

from benchmarks import step_child

MIB = 2**20


def test_peak_has_what_a_step_frees_again():
  before = step_child.resident_bytes()
  peak = step_child.peak_bytes(lambda: np.ones(64 * MIB, np.uint8))
  # Pages that other threads give back meanwhile make it a little less.
  assert 60 * MIB < peak - before < 96 * MIB


def test_peak_forgets_what_was_before():
  step_child.peak_bytes(lambda: np.ones(256 * MIB, np.uint8))
  before = step_child.resident_bytes()
  assert step_child.peak_bytes(lambda: None) - before < 64 * MIB


def test_temporaries_of_the_largest_program(tmp_path):
  name = "{}.cpu_after_optimizations-buffer-assignment.txt"
  (tmp_path / name.format("small")).write_text(
    "allocation 0: size 5, preallocated-temp:\n"
  )
  (tmp_path / name.format("step")).write_text(
    "BufferAssignment:\n"
    "allocation 0: size 1000, parameter 6, shape |f32[250]| at ShapeIndex {}:\n"
    "allocation 1: size 300, preallocated-temp:\n"
    " value: <1 dot @0> (size=200,offset=0): f32[50]\n"
    "allocation 2: size 40, thread-local:\n"
    "allocation 3: size 7, preallocated-temp:\n"
  )
  assert step_child.temporary_bytes(tmp_path) == 307


def test_a_program_without_temporaries_and_none(tmp_path):
  assert step_child.temporary_bytes(tmp_path / "dump") is None
  path = tmp_path / "a.cpu_after_optimizations-buffer-assignment.txt"
  path.write_text("allocation 1: size 128, maybe-live-out:\n")
  assert step_child.temporary_bytes(tmp_path) == 0


def test_no_gpu():
  assert step_child.gpu_peak_bytes(lambda: 1 / 0) is None


@pytest.fixture
def clock(monkeypatch):
  """A clock whose readings are 0, 1, 3, 6, 10, ...: one more each time."""
  readings = itertools.accumulate(itertools.count())
  monkeypatch.setattr(step_child.time, "perf_counter", lambda: next(readings))


def test_steps_take_turns():
  calls = []
  steps = {name: lambda name=name: calls.append(name) for name in "ab"}
  seconds = step_child.interleaved(steps, rounds=3)
  assert calls == ["a", "b"] * (step_child.WARM_UP_ROUNDS + 3)
  assert {name: len(each) for name, each in seconds.items()} == {"a": 3, "b": 3}


def test_rounds_after_the_warm_up_are_timed(clock):
  # Each timing reads the clock twice; call n takes 2 n + 1 seconds.
  steps = {"a": lambda: None, "b": lambda: None}
  assert step_child.interleaved(steps, rounds=2) == {
    "a": [9, 13],
    "b": [11, 15],
  }
