# SPDX-License-Identifier: Apache-2.0
"""A folder is complete or absent."""

import os

import pytest

from token_dropping.common import errors
from token_dropping.common import new_folder


@pytest.mark.parametrize("exists", [False, True])
def test_appears_when_complete(tmp_path, exists):
  path = tmp_path / "deep" / "out"
  if exists:
    path.mkdir(parents=True)
  with new_folder.new_folder(str(path)) as folder:
    with open(os.path.join(folder, "file"), "w") as file:
      file.write("content")
    assert not (path / "file").exists()
  assert (path / "file").read_text() == "content"
  assert os.listdir(path.parent) == ["out"]


def test_nothing_is_left_of_a_failure(tmp_path):
  with (
    pytest.raises(ZeroDivisionError),
    new_folder.new_folder(str(tmp_path / "out")) as folder,
  ):
    open(os.path.join(folder, "file"), "w").close()
    raise ZeroDivisionError
  assert not os.listdir(tmp_path)


def test_exists(tmp_path):
  (tmp_path / "file").touch()
  for path in (tmp_path, tmp_path / "file"):
    with pytest.raises(errors.UserError) as caught:
      new_folder.check_new(str(path))
    assert str(caught.value) == (
      f"--output_dir must not exist, or be an empty folder. Received: '{path}'"
    )


def test_cannot_be_made(tmp_path):
  (tmp_path / "file").touch()
  path = str(tmp_path / "file" / "out")
  with (
    pytest.raises(errors.UserError) as caught,
    new_folder.new_folder(path),
  ):
    pass
  assert str(caught.value) == (
    f"--output_dir must be a writable folder. Received: {path!r} "
    "(Not a directory)"
  )
