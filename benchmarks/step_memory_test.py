# SPDX-License-Identifier: Apache-2.0
"""Tests of memory: of this process, and of a buffer assignment by hand."""

import numpy as np
import pytest

from benchmarks import step_memory

MIB = 2**20
BUFFERS = """BufferAssignment:
allocation 0: size 4096, parameter 0, shape |f32[32,32]| at ShapeIndex {}:
 value: <1 p @0> (size=4096,offset=0): f32[32,32]{1,0}
allocation 1: size 128, output shape is |f32[32]|, maybe-live-out:
allocation 2: size 4, thread-local:
allocation 3: size 5000, preallocated-temp:
 value: <2 fusion @0> (size=900,offset=0): f32[225]{0}
allocation 12: size 70, preallocated-temp:

Used values: allocation 9: size 1000000, preallocated-temp
"""
STEP = "module_0007.a.cpu_after_optimizations-buffer-assignment.txt"
OTHER = "module_0001.b.cpu_after_optimizations-buffer-assignment.txt"


def test_temporaries_are_those_of_the_largest_program(tmp_path):
  (tmp_path / STEP).write_text(BUFFERS)
  (tmp_path / OTHER).write_text("allocation 0: size 1, preallocated-temp:\n")
  (tmp_path / "module_0007.a.cpu_after_optimizations.txt").write_text("x" * 999)
  assert step_memory.temporary_bytes(tmp_path) == 5000 + 70


def test_a_program_without_temporaries(tmp_path):
  (tmp_path / STEP).write_text("allocation 1: size 128, maybe-live-out:\n")
  assert step_memory.temporary_bytes(tmp_path) == 0


def test_nothing_was_compiled(tmp_path):
  assert step_memory.temporary_bytes(tmp_path) is None
  assert step_memory.temporary_bytes(tmp_path / "missing") is None


def test_peak_is_that_of_the_step_alone():
  np.ones(400 * MIB, np.uint8)  # an earlier peak, which must not be seen
  before = step_memory.resident_bytes()
  peak = step_memory.peak_bytes(lambda: np.ones(200 * MIB, np.uint8))
  # What other threads free meanwhile is less than the margin.
  assert peak - before == pytest.approx(200 * MIB, abs=60 * MIB)
  after = step_memory.resident_bytes()
  assert after - before == pytest.approx(0, abs=60 * MIB)


def test_no_gpu_is_no_number():
  assert step_memory.gpu_peak_bytes(lambda: None) is None
