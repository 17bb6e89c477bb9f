# SPDX-License-Identifier: Apache-2.0
"""The folder that holds a dataset: is it ready, and how it is replaced.

Rules, in this order: a finished dataset ends with `dataset.json`, which lists
its files; files have their final names only when complete; nothing is deleted
that an earlier run did not list. For this to hold after a kill too, the list is
first written to `dataset.incomplete.json`. What a run makes on the way is in
the work folder `.prepare`, for a later one to go on, until all is complete.
"""

import os
import re
from collections.abc import Mapping

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.pretraining import dataset_folder

_INCOMPLETE = "dataset.incomplete.json"
_WORK = ".prepare"
_SETTINGS = "settings.json"
_PROBE = ".dataset_write_test"
_OUR_NAMES = re.compile(
  r"(?:train|validation)-\d+-of-\d+\.tfrecord"
  r"|vocab\.txt|tokenizer\.model|spiece\.model|dataset\.json"
  r"|validation\.(?:source|target)\.txt"
)


def find_ready(directory: str, settings: dict) -> dict | None:
  """Returns `dataset.json` if all files of such a dataset are there already."""
  dataset = _read_list(directory, dataset_folder.CARD)
  if dataset is None or dataset | _versioned(settings=settings) != dataset:
    return None
  for name, file in dataset["files"].items():
    if files.size(files.join(directory, name)) != file["bytes"]:
      return None
  _remove_helpers(directory)  # of a run that was killed at the very end
  return dataset


def check_replaceable(directory: str) -> bool:
  """Makes the folder, and says whether it did; or refuses it.

  It must hold no files of our names that no run of ours listed.
  """
  files.check_name(directory, "output_dir")
  work = files.join(directory, _WORK)
  rule = f"output_dir must hold no link of the name {_WORK}"
  errors.require(not os.path.islink(work), rule, repr(work))
  probe = files.join(directory, _PROBE)
  with files.writable(directory, "output_dir"):
    is_new = not files.exists(directory)
    files.make_folder(directory)
    files.write(probe, b"")
    files.remove(probe)
    present = files.list_names(directory)
  ours = _listed(directory)
  for name in present:
    errors.require(
      name in ours or not _OUR_NAMES.fullmatch(name),
      "output_dir must not hold files that this command would replace but did "
      "not make",
      f"{directory!r} with {name}",
    )
  return is_new


def open_work(directory: str, settings: dict) -> str:
  """Returns the work folder, emptied unless a run of these settings made it."""
  work = files.join(directory, _WORK)
  path = files.join(work, _SETTINGS)
  content = _versioned(settings=settings)
  if files.find_json(path) != content:
    files.remove_folder(work)
    files.make_folder(work)
    files.write_json(path, content)
  return work


def remove_work(directory: str, is_new: bool = False) -> None:
  """Removes the work folder, and that of the run where it was new and empty."""
  files.remove_folder(files.join(directory, _WORK))
  if is_new and not files.list_names(directory):
    files.remove_folder(directory)


def publish(directory: str, sources: Mapping[str, str], dataset: dict) -> None:
  """Replaces the dataset in a folder by one that is complete elsewhere.

  `sources` says where each file is now, by its final name. If interrupted,
  the same call completes it. A file at neither place is a `UserError`.
  """
  old = _listed(directory)
  listed = sorted({dataset_folder.CARD, *old, *sources})
  _place(directory, _INCOMPLETE, _versioned(files=listed))
  left = {name: path for name, path in sources.items() if files.exists(path)}
  moved = set(sources) - set(left)
  for name in (dataset_folder.CARD, *sorted(old - moved)):  # the list first
    files.remove(files.join(directory, name))
  for name, path in left.items():
    files.rename(path, files.join(directory, name))
  for name in sorted(moved):
    errors.require(
      files.exists(files.join(directory, name)),
      "output_dir must keep its files while a dataset is made; call again",
      f"{directory!r} without {name}",
    )
  _place(directory, dataset_folder.CARD, dataset)
  _remove_helpers(directory)


def _versioned(**content) -> dict:
  return {"format_version": dataset_folder.FORMAT_VERSION, **content}


def _place(directory: str, name: str, content: dict) -> None:
  """Writes a JSON file in the work folder, then moves it."""
  work = files.join(directory, _WORK)
  files.make_folder(work)
  files.write_json(files.join(work, name), content)
  files.rename(files.join(work, name), files.join(directory, name))


def _remove_helpers(directory: str) -> None:
  remove_work(directory)
  files.remove(files.join(directory, _INCOMPLETE))


def _listed(directory: str) -> set[str]:
  """Returns the names of all files that a run of ours made or was to make."""
  names: set[str] = set()
  for list_name in (dataset_folder.CARD, _INCOMPLETE):
    content = _read_list(directory, list_name)
    if content is not None:
      names |= {list_name, *content["files"]}
  return {name for name in names if _OUR_NAMES.fullmatch(name)}


def _read_list(directory: str, name: str) -> dict | None:
  """Returns one of our two JSON files, None if it is not there or not ours."""
  content = files.find_json(files.join(directory, name))
  if content is None or "format_version" not in content:
    return None
  return content if isinstance(content.get("files"), dict | list) else None
