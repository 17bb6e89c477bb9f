# SPDX-License-Identifier: Apache-2.0
"""Tests for prepare_progress."""

import io

from token_dropping.common import files
from token_dropping.data.pretraining import prepare_progress


class _Terminal(io.StringIO):
  def isatty(self):
    return True


def _finish(folder, index):
  result = {"documents": 1500, "bytes": 2_000_000}
  files.write_json(str(folder / f"read-{index:05d}.json"), result)


def test_lines_in_a_pipe(tmp_path):
  stream = io.StringIO()
  with prepare_progress.Progress(
    str(tmp_path), "read", 2, 4_000_000, stream
  ) as progress:
    _finish(tmp_path, 0)
    progress._look()
    assert "1/2 pieces  1,500 documents  2.0 MB" in progress.line()
    assert progress.line().endswith("left")
    _finish(tmp_path, 1)
  (line,) = stream.getvalue().splitlines()
  assert line.startswith("read: 2/2 pieces  3,000 documents  4.0 MB")
  assert "left" not in line


def test_a_bar_on_a_terminal(tmp_path):
  stream = _Terminal()
  with prepare_progress.Progress(str(tmp_path), "read", 1, 2_000_000, stream):
    _finish(tmp_path, 0)
  assert "1/1" in stream.getvalue()
  assert "1,500 documents" in stream.getvalue()


def test_what_an_earlier_run_did_is_no_speed(tmp_path):
  _finish(tmp_path, 0)
  with prepare_progress.Progress(
    str(tmp_path), "read", 2, 4_000_000, io.StringIO()
  ) as progress:
    assert "2.0 MB  0.0 MB/s" in progress.line()
