# SPDX-License-Identifier: Apache-2.0
"""Tests for output_folder."""

import json
import pathlib

import pytest

from token_dropping.common import errors
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import output_folder

SETTINGS = {"seed": 1, "input_files": [["a.txt", 3]]}
NAMES = ["train-00000-of-00001.tfrecord", "vocab.txt"]


def _make(folder, names=NAMES, settings=SETTINGS, content="content"):
  output_folder.check_replaceable(str(folder))
  work = pathlib.Path(output_folder.open_work(str(folder), settings))
  for name in names:
    (work / f"made-{name}").write_text(content)
  sources = {name: str(work / f"made-{name}") for name in names}
  return _publish(folder, sources, settings, len(content))


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
  dataset = _make(tmp_path / "new" / "folder")
  assert list(dataset["files"]) == NAMES
  assert dataset["format_version"] == dataset_folder.FORMAT_VERSION
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
  ("name", "made"),
  [
    ("train-00000-of-00009.tfrecord", False),
    ("validation-00000-of-00001.tfrecord", False),
    ("vocab.txt", False),
    ("dataset.json", False),
    ("train-00000-of-00002.tfrecord", True),  # not listed
  ],
)
def test_files_of_others_are_refused(tmp_path, name, made):
  if made:
    _make(tmp_path)
  (tmp_path / name).write_text("{}")
  with pytest.raises(errors.UserError, match="did not make") as info:
    output_folder.check_replaceable(str(tmp_path))
  assert str(info.value).endswith(f"with {name}")
  assert (tmp_path / name).exists()


def test_listed_names_that_are_not_a_datasets_are_kept(tmp_path):
  (tmp_path / "notes.md").write_text("mine")
  content = {"format_version": 1, "files": {"notes.md": 4, "../x": 1}}
  (tmp_path / "dataset.json").write_text(json.dumps(content))
  _make(tmp_path)
  assert _present(tmp_path) == ["dataset.json", "notes.md", *NAMES]


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
  work = pathlib.Path(output_folder.open_work(str(tmp_path), {"seed": 2}))
  sources = {name: str(work / f"made-{name}") for name in NAMES}
  for path in sources.values():
    pathlib.Path(path).write_text("newer")
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
  with pytest.raises(errors.UserError, match="must keep its files"):
    _publish(tmp_path, {"vocab.txt": str(tmp_path / "gone")})


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_unwritable_folder(tmp_path, name):
  (tmp_path / "file").write_text("in the way")
  with pytest.raises(errors.UserError, match="must be a writable folder"):
    output_folder.check_replaceable(str(tmp_path / name))


@pytest.mark.parametrize("name", ["data[1]", "data*", "data?"])
def test_folder_whose_name_is_a_glob(tmp_path, name):
  with pytest.raises(errors.UserError) as info:
    output_folder.check_replaceable(str(tmp_path / name))
  assert str(info.value) == (
    f"output_dir must not contain *, ? or [. Received: {str(tmp_path / name)!r}"
  )
  assert _present(tmp_path) == []
