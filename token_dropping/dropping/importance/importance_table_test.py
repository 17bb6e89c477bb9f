# SPDX-License-Identifier: Apache-2.0
"""Tests of the files that hold tables of importance."""

import json

import numpy as np
import pytest

from tests import testing
from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping.importance import importance_table

WORDS = vocabulary.Vocabulary(("a", "b", "c"))
# CRC-32 of "a\nb\nc".
CRC32 = "68ca8ea2"


def _table() -> importance_table.ImportanceTable:
  return importance_table.ImportanceTable.of_seen(
    "pretrained_mlm", WORDS, np.array([0.5, np.nan, 1.5]), np.array([4, 0, 2])
  )


@pytest.mark.parametrize("name", ["table.npz", "table.json"])
def test_table_reads_back(tmp_path, name):
  path = str(tmp_path / name)
  _table().write(path)
  found = importance_table.ImportanceTable.read(path)
  assert (found.kind, found.vocab_crc32) == ("pretrained_mlm", CRC32)
  np.testing.assert_array_equal(found.scores, [0.5, np.nan, 1.5])
  np.testing.assert_array_equal(found.counts, [4, 0, 2])
  assert [each.name for each in tmp_path.iterdir()] == [name]
  np.testing.assert_array_equal(found.padded_scores(5, path)[3:], [np.nan] * 2)


def _refused(path) -> str:
  return testing.refused(importance_table.ImportanceTable.read, str(path))


def test_missing_files_are_refused(tmp_path):
  path = str(tmp_path / "none" / "table.npz")
  assert _refused(path) == (
    f"importance.table_file must be a readable file. Received: {path!r}"
  )


def test_other_endings_are_refused(tmp_path):
  rule = "must end in .npz or .json. Received: 'table.txt'"
  assert _refused("table.txt") == f"importance.table_file {rule}"
  assert testing.refused(_table().write, "table.txt") == f"--output {rule}"


@pytest.mark.parametrize(
  ("change", "problem"),
  [
    ({"format_version": 2}, "ValueError: format_version 2"),
    ({"scores": None}, "TypeError: 'NoneType' object is not iterable"),
    ({"scores": [1.0]}, "ValueError: (1,) scores and (3,) counts"),
    ({"scores": [1.0, 2.0, float("inf")]}, "that are infinite, or none"),
    ({"scores": [1.0, 2.0, "3"]}, "'3'] where there must be numbers"),
    ({"scores": [True, False, True]}, "True] where there must be numbers"),
    ({"counts": [4, 0, 1.7]}, "1.7] where there must be numbers"),
    ({"format_version": "1"}, "'1' where there must be numbers"),
    ({"scores": [None] * 3}, "scores that are infinite, or none"),
    ({"scores": "x"}, "['x'] where there must be numbers"),
  ],
)
def test_other_content_is_refused(tmp_path, change, problem):
  path = tmp_path / "table.json"
  _table().write(str(path))
  content = json.loads(path.read_text()) | change
  path.write_text(json.dumps(content))
  message = _refused(path)
  assert message.startswith(
    "importance.table_file must be a table of format_version 1 that "
    f"token_dropping.importance made. Received: {str(path)!r} ("
  )
  assert problem in message


@pytest.mark.parametrize("name", ["table.json", "table.npz"])
def test_junk_is_refused(tmp_path, name):
  path = tmp_path / name
  for content in (b"", b"[]", b"{}", b"\x80\x04junk"):
    path.write_bytes(content)
    rule = "importance.table_file must be a table of "
    assert _refused(path).startswith(rule)


def test_a_damaged_file_is_refused(tmp_path):
  """Whichever byte is another, unless nothing reads it; every fourth here."""
  path = tmp_path / "table.npz"
  _table().write(str(path))
  content, messages = path.read_bytes(), set()
  for place in range(0, len(content), 4):
    damaged = bytearray(content)
    damaged[place] ^= 0x41
    path.write_bytes(damaged)
    try:
      importance_table.ImportanceTable.read(str(path))
    except errors.UserError as error:
      messages.add(type(error.__cause__).__name__)
  assert {"BadZipFile", "error", "NotImplementedError"} <= messages
