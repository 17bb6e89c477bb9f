# SPDX-License-Identifier: Apache-2.0
"""The folder that holds a dataset: is it ready, and how it is replaced.

Rules, in this order: a finished dataset ends with `dataset.json`, which lists
its files; files appear under their final names only when complete; nothing is
deleted that an earlier run did not list. So that this also holds after a run
was killed, the list is first written to `dataset.incomplete.json`.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence

import tensorflow as tf

from token_dropping import errors

FORMAT_VERSION = 1
DATASET = "dataset.json"
_INCOMPLETE = "dataset.incomplete.json"
_TEMPORARY = ".tmp"
_PROBE = ".dataset_write_test"
_OUR_NAMES = re.compile(
  r"(?:train|validation)-\d+-of-\d+\.tfrecord|vocab\.txt|dataset\.json"
)


def find_ready(directory: str, settings: dict) -> dict | None:
  """Returns the content of `dataset.json` if there is nothing left to do.

  Args:
    directory: the output folder; need not exist.
    settings: what the dataset is to be made with.

  Returns:
    None unless a dataset of these settings is there with all its files.
  """
  dataset = _read_list(directory, DATASET)
  if dataset is None or dataset.get("settings") != settings:
    return None
  if dataset["format_version"] != FORMAT_VERSION:
    return None
  sizes = {name: _size(directory, name) for name in dataset["files"]}
  return dataset if sizes == dataset["files"] else None


def check_replaceable(directory: str) -> None:
  """Makes the folder and checks that a dataset may be written there.

  Args:
    directory: the output folder.

  Raises:
    UserError: not writable, or it holds files that have our names but that no
      run of ours has listed.
  """
  probe = tf.io.gfile.join(directory, _PROBE)
  try:
    tf.io.gfile.makedirs(directory)
    _write(probe, "")
    tf.io.gfile.remove(probe)
    present = tf.io.gfile.listdir(directory)
  except tf.errors.OpError as error:
    raise errors.UserError(
      f"output_dir must be a writable folder. Received: {directory!r} "
      f"({type(error).__name__})"
    ) from error
  ours = _listed(directory)
  finals = {name: name.removesuffix(_TEMPORARY) for name in sorted(present)}
  foreign = [
    name
    for name, final in finals.items()
    if _OUR_NAMES.fullmatch(final) and final not in ours
  ]
  if foreign:
    raise errors.UserError(
      "output_dir must not hold files that this command would replace but did "
      f"not make. Received: {directory!r} with {foreign[0]}"
    )


@contextlib.contextmanager
def replacing(directory: str, names: Sequence[str]) -> Iterator[list[str]]:
  """Replaces the dataset in a folder, whole or not at all.

  Removes the old dataset; the block then writes the new files under temporary
  names, which get their final names if it ends well and vanish if it raises.
  `finish` must follow.

  Args:
    directory: a folder that `check_replaceable` has accepted.
    names: of the files to be made.

  Yields:
    The path to write each file to.
  """
  old = _listed(directory)
  listed = sorted({DATASET, *old, *names})
  marker = {"format_version": FORMAT_VERSION, "files": listed}
  _write_json(directory, _INCOMPLETE, marker)
  for name in (DATASET, *sorted(old - {DATASET})):  # the list goes first
    _remove(directory, name)
    _remove(directory, name + _TEMPORARY)
  temporary = [tf.io.gfile.join(directory, n + _TEMPORARY) for n in names]
  try:
    yield temporary
    for name, path in zip(names, temporary, strict=True):
      tf.io.gfile.rename(path, tf.io.gfile.join(directory, name), True)
  except BaseException:
    for name in names:
      _remove(directory, name)
      _remove(directory, name + _TEMPORARY)
    _remove(directory, _INCOMPLETE)
    raise


def finish(directory: str, names: Sequence[str], dataset: dict) -> dict:
  """Writes `dataset.json`, which makes the dataset complete.

  Args:
    directory: the output folder.
    names: of the dataset's other files, which must be there.
    dataset: what to write; `format_version` and `files`, the size of each file
      in bytes, are added.

  Returns:
    What was written.
  """
  sizes = {name: _size(directory, name) for name in names}
  whole = {"format_version": FORMAT_VERSION, **dataset, "files": sizes}
  _write_json(directory, DATASET, whole)
  _remove(directory, _INCOMPLETE)
  return whole


def _listed(directory: str) -> set[str]:
  """Returns the names of all files that a run of ours made or was to make."""
  names: set[str] = set()
  for list_name in (DATASET, _INCOMPLETE):
    content = _read_list(directory, list_name)
    if content is not None:
      names |= {list_name, *content["files"]}
  return {name for name in names if _OUR_NAMES.fullmatch(name)}


def _read_list(directory: str, name: str) -> dict | None:
  """Returns one of our two JSON files, None if it is not there or not ours."""
  path = tf.io.gfile.join(directory, name)
  try:
    with tf.io.gfile.GFile(path, "rb") as file:
      content = json.loads(file.read())
  except (tf.errors.OpError, ValueError):
    return None
  if not isinstance(content, dict) or "format_version" not in content:
    return None
  return content if isinstance(content.get("files"), dict | list) else None


def _write_json(directory: str, name: str, content: dict) -> None:
  path = tf.io.gfile.join(directory, name)
  _write(path + _TEMPORARY, json.dumps(content, indent=2) + "\n")
  tf.io.gfile.rename(path + _TEMPORARY, path, overwrite=True)


def _write(path: str, text: str) -> None:
  with tf.io.gfile.GFile(path, "w") as file:
    file.write(text)


def _remove(directory: str, name: str) -> None:
  path = tf.io.gfile.join(directory, name)
  if tf.io.gfile.exists(path):
    tf.io.gfile.remove(path)


def _size(directory: str, name: str) -> int | None:
  path = tf.io.gfile.join(directory, name)
  return tf.io.gfile.stat(path).length if tf.io.gfile.exists(path) else None
