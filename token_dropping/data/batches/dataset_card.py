# SPDX-License-Identifier: Apache-2.0
"""What `token_dropping.data.prepare` wrote beside the records, and is it so?"""

import collections
import fnmatch
import os
import sys
from collections.abc import Iterator

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.text import tokenizer_config


def read_card(data: cfg.DataConfig) -> dict | None:
  """Reads the `dataset.json` beside the records.

  Args:
    data: config of the records.

  Returns:
    The dictionary, or `None` for records from elsewhere.

  Raises:
    UserError: the file is not JSON.
  """
  path = find_beside(data, dataset_folder.CARD)
  return None if path is None else dataset_folder.read_card(path)


def unigram_loss(data: cfg.DataConfig) -> float | None:
  """Reads the loss of a guess without context on the validation targets.

  Args:
    data: config of the validation records.

  Returns:
    The loss in nats; `None` without `dataset.json`, or if it does not say, as
    those of format version 1 and of other tools need not.

  Raises:
    UserError: the file is not JSON.
  """
  part = (read_card(data) or {}).get("validation")
  loss = part.get("unigram_loss") if isinstance(part, dict) else None
  return loss if isinstance(loss, float) else None


def check_files(data: cfg.DataConfig) -> None:
  """Compares the files that will be read with the `dataset.json` beside them.

  Every file that `dataset.json` lists and a pattern of `input_path` would match
  must be there with its size; a pattern or a path may name a part of a dataset.
  Cheap: no record is read. Records without `dataset.json`, and those of
  format version 1, which has no counts, are left alone. Where bad records are
  skipped, a complaint is a warning.

  Args:
    data: config of the records.

  Raises:
    UserError: the first file that is missing, not listed or of another size,
      or a `dataset.json` that disagrees with itself.
  """
  try:
    _check_patterns(data)
  except errors.UserError as error:
    if not pretrain_data.skips_bad_records(data):
      raise
    print(f"warning: {error}", file=sys.stderr)


def _check_patterns(data: cfg.DataConfig) -> None:
  for pattern in _patterns(data):
    matched = collections.defaultdict(set)
    for path in _glob(pattern):
      folder, name = os.path.split(path)
      matched[folder].add(name)
    for folder, names in matched.items():
      _check_matched(folder, names, os.path.basename(pattern))


def _glob(pattern: str) -> list[str]:
  try:
    return tf.io.gfile.glob(pattern)
  except tf.errors.OpError:  # `bad_records` reports what cannot be read
    return []


def _check_matched(folder: str, present: set[str], pattern: str) -> None:
  card = dataset_folder.find_card(folder)
  if card is None:
    return
  wanted = {
    name: entry
    for name, entry in card["files"].items()
    if name in present or fnmatch.fnmatchcase(name, pattern)
  }
  dataset_folder.check_names(folder, present, wanted)
  dataset_folder.check_sizes(folder, wanted)


def _patterns(data: cfg.DataConfig) -> Iterator[str]:
  """Yields the parts of `input_path`, as Model Garden divides it."""
  paths = data.input_path
  for path in [paths] if isinstance(paths, str) else paths or []:
    if isinstance(path, str):
      yield from filter(None, map(str.strip, path.split(",")))


def read_tokenizer_config(
  data: cfg.DataConfig,
) -> tokenizer_config.TokenizerConfig | None:
  """Returns how the text of prepared records was normalized.

  Args:
    data: config of the records.

  Returns:
    The config, or `None` for records from elsewhere.

  Raises:
    UserError: `dataset.json` is not JSON, or has wrong settings.
  """
  card = read_card(data)
  if card is None:
    return None
  return tokenizer_config.TokenizerConfig.from_dict(
    card.get("settings", {}), "settings in dataset.json"
  )


def find_beside(data: cfg.DataConfig, name: str) -> str | None:
  """Returns the path of a file in the folder of the records, if it exists."""
  paths = data.input_path
  first = paths[0] if isinstance(paths, list | tuple) and paths else paths
  if not isinstance(first, str) or not first:
    return None
  folder = os.path.dirname(first.split(",")[0].strip())
  path = os.path.join(folder, name)
  return path if tf.io.gfile.exists(path) else None
