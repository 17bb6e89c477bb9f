# SPDX-License-Identifier: Apache-2.0
"""Tests of summaries that are written again."""

import pytest
import tensorflow as tf

from tests import fault_testing
from token_dropping.training import summary_files


@pytest.fixture
def folder(tmp_path):
  """Summaries of steps 1 to 5, in two files."""
  for steps in (range(1, 4), range(4, 6)):
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
      for step in steps:
        tf.summary.scalar("loss", float(step), step=step)
    writer.close()
  return tmp_path


def _steps(folder) -> list[int]:
  return sorted(step for step, _ in fault_testing.curves(folder)["loss"])


@pytest.mark.parametrize("last", [1, 3, 4])
def test_later_steps_go(folder, last):
  assert summary_files.drop_after(str(folder), last) == 5 - last
  assert _steps(folder) == list(range(1, last + 1))
  assert not list(folder.glob("rewriting*"))


def test_nothing_later_leaves_the_files_alone(folder):
  before = {path: path.read_bytes() for path in folder.iterdir()}
  assert summary_files.drop_after(str(folder), 5) == 0
  assert before == {path: path.read_bytes() for path in folder.iterdir()}


def test_an_incomplete_last_event_goes(folder):
  first = min(folder.iterdir(), key=lambda path: path.stat().st_mtime)
  steps = _steps(folder)
  first.write_bytes(first.read_bytes()[:-3])
  summary_files.drop_after(str(folder), 5)
  assert len(_steps(folder)) == len(steps) - 1


def test_no_folder_is_fine(tmp_path):
  assert summary_files.drop_after(str(tmp_path / "none"), 3) == 0


def test_curves_come_back(folder):
  curves = summary_files.read_scalars(str(folder))
  assert list(curves) == ["loss"]
  assert sorted(curves["loss"]) == [1, 2, 3, 4, 5]


def test_of_several_values_of_a_step_the_last_counts(tmp_path):
  for value in (1.0, 2.0):
    writer = tf.summary.create_file_writer(
      str(tmp_path), filename_suffix=f".{value}"
    )
    with writer.as_default():
      tf.summary.scalar("loss", value, step=3)
    writer.close()
  assert summary_files.read_scalars(str(tmp_path)) == {"loss": {3: 2.0}}
