# SPDX-License-Identifier: Apache-2.0
"""Tests of files and folders that appear whole, on three filesystems."""

import contextlib
import os
import uuid
import zlib

import fsspec
import pytest

from tests import testing
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import filesystems


@pytest.fixture(params=["local", "memory", "ram"])
def root(request, tmp_path):
  """A folder of Python's own, one of fsspec's and one of TensorFlow's."""
  if request.param == "local":
    return str(tmp_path)
  path = f"{request.param}://{uuid.uuid4().hex}"
  files.make_folder(path)
  return path


def test_what_is_written_is_read(root):
  path = files.join(root, "file.txt")
  assert files.size(path) is None and not files.exists(path)
  files.write(path, b"old")
  files.write(path, "cöntent\nof two lines\n")
  assert files.read(path).decode() == "cöntent\nof two lines\n"
  assert files.size(path) == 22 and files.size(root) is None
  assert files.list_names(root) == ["file.txt"]
  (match,) = files.matches(files.join(root, "f*.txt"))
  with files.open_binary(match) as file:
    file.seek(4)
    assert file.readline(3) + file.readline() == b"tent\n"
    assert file.peek(2)[:2] == file.read(2) == b"of"


def test_what_is_not_there(root):
  path = files.join(root, "none")
  with pytest.raises(FileNotFoundError):
    files.open_binary(path).read()
  assert not files.is_folder(path)
  assert files.list_names(path) == files.matches(f"{path}*") == []
  files.remove(path)
  files.remove_folder(path)


def test_copy_and_description(root):
  content = bytes(range(256)) * 10_000
  source, path = files.join(root, "a"), files.join(root, "b")
  files.write(source, content)
  files.copy(source, path)
  assert files.read(path) == content
  assert files.describe(path) == {
    "bytes": len(content),
    "crc32": f"{zlib.crc32(content):08x}",
  }


def test_a_failed_write_leaves_nothing(root):
  path = files.join(root, "file")
  with pytest.raises(ZeroDivisionError), files.whole(path) as file:
    file.write(b"half")
    raise ZeroDivisionError
  assert files.list_names(root) == []


def test_folders(root):
  folder = files.join(root, "a", "b")
  for _ in range(2):
    files.make_folder(folder)
  files.write(files.join(folder, "file"), b"")
  assert files.is_folder(folder) and files.size(f"{folder}/file") == 0
  for _ in range(2):
    files.remove_folder(files.join(root, "a"))
  assert not files.exists(files.join(root, "a"))


def test_of_a_link_to_a_folder_the_link_alone_is_removed(tmp_path):
  theirs, link = tmp_path / "theirs", tmp_path / "link"
  theirs.mkdir()
  (theirs / "file").touch()
  (tmp_path / "ours").mkdir()
  for place in (link, tmp_path / "ours" / "link"):
    place.symlink_to(theirs)
  with files.new_folder(str(link), check=files.is_folder):
    pass
  files.remove_folder(str(tmp_path / "ours"))
  assert sorted(os.listdir(tmp_path)) == ["link", "theirs"]
  assert os.listdir(theirs) == ["file"] and not link.is_symlink()
  theirs.joinpath("file").unlink()
  link.rmdir()
  link.symlink_to(tmp_path / "nowhere")
  files.remove_folder(str(link))
  assert os.listdir(tmp_path) == ["theirs"]


@pytest.mark.parametrize("name", ["a*", "a?", "a[1]", "a\\b"])
def test_a_folder_whose_name_is_a_pattern(name):
  assert testing.refused(files.check_name, name, "--model_dir") == (
    f"--model_dir must not contain *, ?, [ or a backslash. Received: {name!r}"
  )


@pytest.mark.parametrize("name", ["", "folder", "folder/", "none/file"])
def test_output_that_has_no_place(root, name):
  files.make_folder(files.join(root, "folder"))
  files.check_output(files.join(root, "folder/file"))
  path = files.join(root, name)
  assert testing.refused(files.check_output, path) == (
    f"--output must be a file in an existing folder. Received: {path!r}"
  )


def test_output_that_cannot_be_written(tmp_path):
  path = str(tmp_path / "none" / "file")
  refused = testing.refused(files.write_output, path, "")
  assert refused.startswith(f"--output must be writable. Received: {path!r} (")


def test_json(tmp_path):
  path = str(tmp_path / "file.json")
  assert files.find_json(path) is None
  rule = "--input must be readable"
  found = testing.refused(files.read_json, path, rule)
  assert found == f"{rule}. Received: {path!r}"
  files.write_json(path, {"a": [1]})
  assert files.find_json(path) == files.read_json(path, "") == {"a": [1]}


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (b"{", "file.json must be JSON. Received: {0} (Expecting property name"),
    (b"\xff", "file.json must be JSON. Received: {0} ('utf-8' codec"),
    (b"[]", "file.json must hold a JSON object. Received: {0} with list"),
  ],
)
def test_other_content_than_a_json_object(tmp_path, content, message):
  path = str(tmp_path / "file.json")
  files.write(path, content)
  assert files.find_json(path) is None
  found = testing.refused(files.read_json, path, "")
  assert found.startswith(message.format(path))


@pytest.mark.parametrize("exists", [False, True])
def test_new_folder_appears_when_complete(tmp_path, exists):
  path = tmp_path / "deep" / "out"
  if exists:
    path.mkdir(parents=True)
    (path / "old").touch()
  with files.new_folder(str(path), check=files.is_folder) as folder:
    files.write(files.join(folder, "file"), "content")
    assert not (path / "file").exists()
  assert os.listdir(path) == ["file"]
  assert os.listdir(path.parent) == ["out"]


def test_nothing_is_left_of_a_new_folder_that_failed(tmp_path):
  path = str(tmp_path / "out")
  with pytest.raises(ZeroDivisionError), files.new_folder(path) as folder:
    files.write(files.join(folder, "file"), b"")
    raise ZeroDivisionError
  assert not os.listdir(tmp_path)


def test_new_folder_replaces_nothing_that_appeared_meanwhile(tmp_path):
  path = tmp_path / "out"
  with (
    pytest.raises(errors.UserError, match="--output_dir must not exist, or"),
    files.new_folder(str(path)),
  ):
    path.mkdir()
    (path / "of others").touch()
  assert os.listdir(tmp_path) == ["out"]
  assert os.listdir(path) == ["of others"]


def _not_made(path: str) -> str:
  enter = contextlib.ExitStack().enter_context
  return testing.refused(enter, files.new_folder(path))


def test_new_folder_cannot_be_made(tmp_path):
  (tmp_path / "file").touch()
  path = str(tmp_path / "file" / "out")
  assert _not_made(path) == (
    f"--output_dir must be a writable folder. Received: {path!r} "
    "(Not a directory)"
  )


def test_check_new(tmp_path):
  (tmp_path / "file").touch()
  (tmp_path / "empty").mkdir()
  files.check_new(str(tmp_path / "empty"))
  files.check_new(str(tmp_path / "none"))
  rule = "--output_dir must not exist, or be an empty folder"
  message = testing.refused(files.check_new, str(tmp_path))
  assert message == f"{rule}. Received: '{tmp_path}'"
  for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
    assert testing.refused(files.check_new, str(path)) == (
      "--output_dir must be a folder, there or to be made. Received: "
      f"'{path}', and '{tmp_path}/file' is a file"
    )
  unset = "--output_dir must be set. Received: nothing"
  assert testing.refused(files.check_new, "") == unset


@pytest.mark.parametrize("function", [files.read, files.size, files.exists])
def test_what_is_no_path_anywhere(function):
  assert testing.refused(function, "nowhere://file") == (
    "paths must be local, gs:// or of a filesystem whose package is installed. "
    "Received: 'nowhere://file' (Protocol not known: nowhere)"
  )
  with pytest.raises(OSError, match="no NUL"):
    files.read("a\0b")


def test_paths_that_tensorflow_itself_cannot_open():
  for path in ("a/b", "", "gs://b/run", "ram://run", "file:///run"):
    filesystems.require_tensorflow(path, "--x")
  refused = testing.refused(filesystems.require_tensorflow, "s3://b/run", "--x")
  assert refused == (
    "--x must be local or gs://: TensorFlow reads other places only with "
    "packages of their own, such as tensorflow-io. Received: 's3://b/run'"
  )


class _NoCredentials(fsspec.AbstractFileSystem):
  """As `s3fs` is where botocore, whose errors are its own, finds none."""

  def _fail(self, *args, **kwargs):
    raise Exception("Unable to locate credentials")

  ls = makedirs = _open = _fail


def test_all_failures_of_a_remote_filesystem_are_os_errors():
  fsspec.register_implementation("locked", _NoCredentials, clobber=True)
  rule = "Unable to locate credentials"
  for function in (files.list_names, files.read, files.make_folder):
    with pytest.raises(OSError, match=rule):
      function("locked://a")
  with pytest.raises(OSError, match=rule):
    files.write("locked://a", "")
  assert f"'locked://a' ({rule}" in _not_made("locked://a")
