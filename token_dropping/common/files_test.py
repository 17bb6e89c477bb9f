# SPDX-License-Identifier: Apache-2.0
"""Tests for files."""

import zlib

import pytest

from token_dropping.common import errors
from token_dropping.common import files


def test_what_is_written_is_read(tmp_path):
  path = str(tmp_path / "file")
  assert files.size(path) is None and not files.exists(path)
  files.write(path, b"content")
  assert files.read(path) == b"content"
  assert files.size(path) == 7
  assert list(files.list_names(str(tmp_path))) == ["file"]


def test_a_failed_copy_leaves_nothing(tmp_path):
  with pytest.raises(OSError):
    files.copy(str(tmp_path / "none"), str(tmp_path / "file"))
  assert not list(tmp_path.iterdir())


def test_copy_returns_size_and_checksum(tmp_path):
  content = bytes(range(256)) * 10_000
  (tmp_path / "source").write_bytes(content)
  found = files.copy(str(tmp_path / "source"), str(tmp_path / "target"))
  checksum = f"{zlib.crc32(content):08x}"
  assert found == {"bytes": len(content), "crc32": checksum}
  assert (tmp_path / "target").read_bytes() == content


def test_json(tmp_path):
  path = str(tmp_path / "file")
  assert files.read_json(path) is None
  files.write_json(path, {"a": [1]})
  assert files.read_json(path) == {"a": [1]}
  for other in (b"{", b"[]", b"\xff"):
    files.write(path, other)
    assert files.read_json(path) is None


def test_folders(tmp_path):
  folder = files.join(str(tmp_path), "a", "b")
  files.make_folder(folder)
  files.make_folder(folder)
  files.write(files.join(folder, "file"), b"")
  files.remove_folder(str(tmp_path / "a"))
  files.remove_folder(str(tmp_path / "a"))
  assert not (tmp_path / "a").exists()
  assert list(files.list_names(str(tmp_path / "a"))) == []


def test_unreadable_file(tmp_path):
  with pytest.raises(errors.UserError, match="must be a readable file"):
    files.open_binary(str(tmp_path / "none"))
