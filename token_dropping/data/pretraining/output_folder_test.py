# SPDX-License-Identifier: Apache-2.0
"""Tests for output_folder."""

import json
import pathlib

import pytest

from tests import testing
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import output_folder

SETTINGS = {"seed": 1, "input_files": [["a.txt", 3]]}
NAMES = ["train-00000-of-00001.tfrecord", "vocab.txt"]


def _make(folder, names=NAMES):
  output_folder.check_replaceable(str(folder))
  return _publish(folder, _write(folder, names, SETTINGS, "content"))


def _write(folder, names, settings, content):
  work = pathlib.Path(output_folder.open_work(str(folder), settings))
  for name in names:
    (work / f"made-{name}").write_text(content)
  return {name: str(work / f"made-{name}") for name in names}


def _publish(folder, sources, settings=SETTINGS, size=7):
  dataset = {
    "format_version": dataset_folder.FORMAT_VERSION,
    "settings": settings,
    "files": {name: {"bytes": size} for name in sources},
  }
  output_folder.publish(str(folder), sources, dataset)
  return dataset


def _present(folder):
  return sorted(path.name for path in folder.iterdir())


def test_finished_dataset(tmp_path):
  folder = tmp_path / "new" / "folder"
  dataset = _make(folder)
  assert _present(folder) == ["dataset.json", *NAMES]
  assert output_folder.find_ready(str(folder), SETTINGS) == dataset


def test_a_linked_work_folder_is_refused(tmp_path):
  link = tmp_path / ".prepare"
  link.symlink_to(tmp_path)
  folder = str(tmp_path)
  assert testing.refused(output_folder.check_replaceable, folder) == (
    f"output_dir must hold no link of the name .prepare. Received: '{link}'"
  )


def test_not_ready(tmp_path):
  def is_ready(settings=SETTINGS):
    return output_folder.find_ready(str(tmp_path), settings) is not None

  assert not is_ready()
  _make(tmp_path)
  assert is_ready() and not is_ready({"seed": 2})
  (tmp_path / "vocab.txt").write_text("other size")
  assert not is_ready()
  (tmp_path / "vocab.txt").unlink()
  assert not is_ready()


def test_only_old_files_of_a_dataset_are_removed(tmp_path):
  _make(tmp_path, [f"train-{i:05d}-of-00004.tfrecord" for i in range(4)])
  (tmp_path / "notes.md").write_text("mine")
  _make(tmp_path)
  expected = ["dataset.json", "notes.md", *NAMES]
  assert _present(tmp_path) == expected
  # Not even where it is listed.
  content = {"format_version": 1, "files": {"notes.md": 4, "../x": 1}}
  (tmp_path / "dataset.json").write_text(json.dumps(content))
  for name in NAMES:
    (tmp_path / name).unlink()
  _make(tmp_path)
  assert _present(tmp_path) == expected


@pytest.mark.parametrize(
  ("name", "is_made"),
  [
    ("validation-00000-of-00001.tfrecord", False),
    ("vocab.txt", False),
    ("dataset.json", False),
    ("train-00000-of-00002.tfrecord", True),  # not listed
  ],
)
def test_files_of_others_are_refused(tmp_path, name, is_made):
  if is_made:
    _make(tmp_path)
  (tmp_path / name).write_text("{}")
  message = testing.refused(output_folder.check_replaceable, str(tmp_path))
  assert message == (
    "output_dir must not hold files that this command would replace but did "
    f"not make. Received: {str(tmp_path)!r} with {name}"
  )
  assert (tmp_path / name).exists()


def test_a_work_folder_is_kept_for_the_same_settings_only(tmp_path):
  work = pathlib.Path(output_folder.open_work(str(tmp_path), SETTINGS))
  (work / "piece").write_text("half of the work")
  assert output_folder.open_work(str(tmp_path), SETTINGS) == str(work)
  assert (work / "piece").exists()
  output_folder.open_work(str(tmp_path), {"seed": 2})
  assert not (work / "piece").exists()
  output_folder.remove_work(str(tmp_path))
  assert _present(tmp_path) == []


class _Killed(BaseException):
  """Stands for the end of the process: nothing is cleaned up."""


@pytest.mark.parametrize("allowed", range(7))
def test_publishing_can_be_interrupted_anywhere(tmp_path, monkeypatch, allowed):
  _make(tmp_path, [*NAMES, "train-00000-of-00007.tfrecord"])
  sources = _write(tmp_path, NAMES, {"seed": 2}, "newer")
  calls = []

  def interrupt(original):
    def function(*args):
      calls.append(args)
      if len(calls) > allowed:
        raise _Killed
      return original(*args)

    return function

  with monkeypatch.context() as patch:
    for name in ("rename", "remove", "write_json"):
      original = getattr(output_folder.files, name)
      patch.setattr(output_folder.files, name, interrupt(original))
    with pytest.raises(_Killed):
      _publish(tmp_path, sources, {"seed": 2}, 5)
  _publish(tmp_path, sources, {"seed": 2}, 5)
  assert _present(tmp_path) == ["dataset.json", *NAMES]
  assert {(tmp_path / name).read_text() for name in NAMES} == {"newer"}
  assert output_folder.find_ready(str(tmp_path), {"seed": 2})


def test_a_file_that_is_nowhere(tmp_path):
  sources = {"vocab.txt": str(tmp_path / "gone")}
  assert "must keep its files" in testing.refused(_publish, tmp_path, sources)


@pytest.mark.parametrize(
  ("name", "rule", "reason"),
  [
    ("file", "be a writable folder", " (File exists)"),
    ("file/below", "be a writable folder", " (Not a directory)"),
    ("data[1]", "not contain *, ?, [ or a backslash", ""),
    ("data*", "not contain *, ?, [ or a backslash", ""),
    ("data?", "not contain *, ?, [ or a backslash", ""),
  ],
)
def test_folder_that_cannot_be(tmp_path, name, rule, reason):
  (tmp_path / "file").write_text("in the way")
  folder = str(tmp_path / name)
  message = f"output_dir must {rule}. Received: {folder!r}{reason}"
  assert testing.refused(output_folder.check_replaceable, folder) == message
  assert _present(tmp_path) == ["file"]
