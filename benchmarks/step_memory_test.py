# SPDX-License-Identifier: Apache-2.0
"""Tests of the memory of a step."""

import numpy as np

from benchmarks import step_memory

MIB = 2**20


def test_peak_has_what_a_step_frees_again():
  before = step_memory.resident_bytes()
  peak = step_memory.peak_bytes(lambda: np.ones(64 * MIB, np.uint8))
  # Pages that other threads give back meanwhile make it a little less.
  assert 60 * MIB < peak - before < 96 * MIB


def test_peak_forgets_what_was_before():
  step_memory.peak_bytes(lambda: np.ones(256 * MIB, np.uint8))
  before = step_memory.resident_bytes()
  assert step_memory.peak_bytes(lambda: None) - before < 64 * MIB


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
  assert step_memory.temporary_bytes(tmp_path) == 307


def test_a_program_without_temporaries(tmp_path):
  path = tmp_path / "a.cpu_after_optimizations-buffer-assignment.txt"
  path.write_text("allocation 1: size 128, maybe-live-out:\n")
  assert step_memory.temporary_bytes(tmp_path) == 0


def test_nothing_was_compiled(tmp_path):
  assert step_memory.temporary_bytes(tmp_path / "dump") is None


def test_no_gpu():
  assert step_memory.gpu_peak_bytes(lambda: 1 / 0) is None
