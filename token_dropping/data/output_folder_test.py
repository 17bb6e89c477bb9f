# SPDX-License-Identifier: Apache-2.0
"""Tests for output_folder."""

import json
import pathlib

import pytest

from token_dropping import errors
from token_dropping.data import output_folder

SETTINGS = {"seed": 1, "input_files": [["a.txt", 3]]}
NAMES = ["train-00000-of-00001.tfrecord", "vocab.txt"]


def _make(folder, names=NAMES, settings=SETTINGS):
  output_folder.check_replaceable(str(folder))
  with output_folder.replacing(str(folder), names) as paths:
    for path in paths:
      pathlib.Path(path).write_text("content")
  return output_folder.finish(str(folder), names, {"settings": settings})


def _present(folder):
  return sorted(path.name for path in folder.iterdir())


def test_finished_dataset(tmp_path):
  dataset = _make(tmp_path / "new" / "folder")
  assert dataset["files"] == dict.fromkeys(NAMES, 7)
  assert dataset["format_version"] == output_folder.FORMAT_VERSION
  assert _present(tmp_path / "new" / "folder") == ["dataset.json", *NAMES]
  assert output_folder.find_ready(str(tmp_path / "new/folder"), SETTINGS) == (
    dataset
  )


def test_not_ready(tmp_path):
  assert output_folder.find_ready(str(tmp_path / "none"), SETTINGS) is None
  _make(tmp_path)
  assert output_folder.find_ready(str(tmp_path), {"seed": 2}) is None
  (tmp_path / "vocab.txt").write_text("other size")
  assert output_folder.find_ready(str(tmp_path), SETTINGS) is None
  (tmp_path / "vocab.txt").unlink()
  assert output_folder.find_ready(str(tmp_path), SETTINGS) is None


def test_old_shards_are_removed(tmp_path):
  _make(tmp_path, [f"train-{i:05d}-of-00004.tfrecord" for i in range(4)])
  (tmp_path / "notes.md").write_text("mine")
  _make(tmp_path)
  assert _present(tmp_path) == ["dataset.json", "notes.md", *NAMES]


@pytest.mark.parametrize(
  "name",
  [
    "train-00000-of-00009.tfrecord",
    "validation-00000-of-00001.tfrecord.tmp",
    "vocab.txt",
    "dataset.json",
  ],
)
def test_files_of_others_are_refused(tmp_path, name):
  (tmp_path / name).write_text("{}")
  with pytest.raises(errors.UserError, match="did not make") as info:
    output_folder.check_replaceable(str(tmp_path))
  assert str(info.value).endswith(f"with {name}")
  assert _present(tmp_path) == [name]


def test_a_shard_that_we_did_not_list_is_refused(tmp_path):
  _make(tmp_path)
  (tmp_path / "train-00000-of-00002.tfrecord").write_text("from elsewhere")
  with pytest.raises(errors.UserError, match="train-00000-of-00002"):
    output_folder.check_replaceable(str(tmp_path))


def test_listed_names_that_are_not_a_datasets_are_kept(tmp_path):
  (tmp_path / "notes.md").write_text("mine")
  content = {"format_version": 1, "files": {"notes.md": 4, "../x": 1}}
  (tmp_path / "dataset.json").write_text(json.dumps(content))
  _make(tmp_path)
  assert _present(tmp_path) == ["dataset.json", "notes.md", *NAMES]


def test_an_error_leaves_nothing(tmp_path):
  with (
    pytest.raises(RuntimeError),
    output_folder.replacing(str(tmp_path), NAMES) as paths,
  ):
    pathlib.Path(paths[0]).write_text("half")
    raise RuntimeError
  assert _present(tmp_path) == []


class _Killed(BaseException):
  """Stands for the end of the process: nothing is cleaned up."""


@pytest.mark.parametrize("renamed", [0, 1, 2])
def test_a_killed_run_is_made_again(tmp_path, monkeypatch, renamed):
  _make(tmp_path, ["train-00000-of-00007.tfrecord"])
  with monkeypatch.context() as patch:
    # A process that is killed while it renames, or before the last file.
    original, calls = output_folder.tf.io.gfile.rename, []

    def rename(source, target, overwrite=False):
      calls.append(target)
      if len(calls) > 1 + renamed:  # the first is the list of what is made
        patch.setattr(output_folder, "_remove", lambda *unused: None)
        raise _Killed
      original(source, target, overwrite)

    patch.setattr(output_folder.tf.io.gfile, "rename", rename)
    with pytest.raises(_Killed):
      _make(tmp_path)
  assert "dataset.json" not in _present(tmp_path)
  assert output_folder.find_ready(str(tmp_path), SETTINGS) is None
  _make(tmp_path)
  assert _present(tmp_path) == ["dataset.json", *NAMES]


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_unwritable_folder(tmp_path, name):
  (tmp_path / "file").write_text("in the way")
  with pytest.raises(errors.UserError, match="must be a writable folder"):
    output_folder.check_replaceable(str(tmp_path / name))
