# SPDX-License-Identifier: Apache-2.0
"""How many records files hold, without reading them where their card says."""

import os

import tensorflow as tf
from official.common import dataset_fn

from token_dropping.data.pretraining import dataset_folder


def count_records(files: list[str], file_type: str) -> list[int]:
  """Counts the records of each file.

  A file that the `dataset.json` beside it lists has as many as that says.
  Others are read.

  Args:
    files: paths.
    file_type: of Model Garden's data config.

  Returns:
    The count of each file.

  Raises:
    UserError: a file has another size than its `dataset.json` says, or that
      disagrees with itself.
    OpError: a file that has to be read cannot be.
  """
  counts = _listed(files)
  unlisted = [file for file in files if file not in counts]
  if unlisted:
    read = _read(unlisted, file_type)
    counts |= dict(zip(unlisted, read, strict=True))
  return [counts[file] for file in files]


def _listed(files: list[str]) -> dict[str, int]:
  """Returns the counts of the files that a card describes."""
  counts = {}
  for folder in sorted({os.path.dirname(file) for file in files}):
    card = dataset_folder.find_card(folder)
    if card is None:
      continue
    here = [file for file in files if os.path.dirname(file) == folder]
    paths = {os.path.basename(file): file for file in here}
    entries = {
      name: entry
      for name, entry in card["files"].items()
      if name in paths and "records" in entry
    }
    dataset_folder.check_sizes(folder, entries)
    counts |= {paths[name]: each["records"] for name, each in entries.items()}
  return counts


def _read(files: list[str], file_type: str) -> list[int]:
  read = dataset_fn.pick_dataset_fn(file_type)
  counts = tf.data.Dataset.from_tensor_slices(files).map(
    lambda file: read(file).reduce(
      tf.constant(0, tf.int64), lambda n, _: n + 1
    ),
    num_parallel_calls=tf.data.AUTOTUNE,
  )
  return [int(count) for count in counts]
