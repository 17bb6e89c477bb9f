# SPDX-License-Identifier: Apache-2.0
"""What `token_dropping.data.prepare` wrote beside the records, and is it so?"""

import collections
import fnmatch
import os
import sys

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import causal_data
from token_dropping.data.batches import pair_data
from token_dropping.data.batches import pretrain_data
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import packing as packing_lib
from token_dropping.data.text import tokenizer_config

_OBJECTIVES = {
  causal_data.CausalDataConfig: dataset_folder.CAUSAL_LM,
  pair_data.PairDataConfig: dataset_folder.TRANSLATION,
}


def find_beside(data: cfg.DataConfig, name: str) -> str | None:
  """Returns the path of a file in the folder of the records, if it exists."""
  patterns = _patterns(data)
  if not patterns:
    return None
  path = os.path.join(os.path.dirname(patterns[0]), name)
  return path if tf.io.gfile.exists(path) else None


def read_card(data: cfg.DataConfig) -> dict | None:
  """Reads the `dataset.json` beside the records; `None` if there is none."""
  path = find_beside(data, dataset_folder.CARD)
  return None if path is None else dataset_folder.read_card(path)


def unigram_loss(data: cfg.DataConfig) -> float | None:
  """Returns the loss in nats of a guess without context on validation targets.

  `None` if `dataset.json` does not say, as in format version 1, or is missing.
  """
  return _of_validation(data, "unigram_loss")


def bytes_per_token(data: cfg.DataConfig) -> float | None:
  """Returns how long a token of the validation text is on average, in bytes.

  `None` if `dataset.json` does not say, as of masked-LM data, or is missing.
  """
  return _of_validation(data, "bytes_per_token")


def _of_validation(data: cfg.DataConfig, name: str) -> float | None:
  part = (read_card(data) or {}).get("validation")
  value = part.get(name) if isinstance(part, dict) else None
  return value if isinstance(value, float) else None


def read_tokenizer_config(
  data: cfg.DataConfig,
) -> tokenizer_config.TokenizerConfig | None:
  """Returns how the text of prepared records was normalized, if it is known."""
  card = read_card(data)
  if card is None:
    return None
  return tokenizer_config.TokenizerConfig.from_dict(
    card.get("settings", {}), "settings in dataset.json"
  )


def check_files(data: cfg.DataConfig) -> None:
  """Compares the files that will be read with the `dataset.json` beside them.

  Every file that it lists and a pattern of `input_path` would match must be
  there with its size; a pattern or a path may name a part of a dataset. No
  record is read. Without `dataset.json`, or with one of format version 1, which
  has no counts, there is no complaint. Where bad records are skipped, one is a
  warning, otherwise a `UserError`.
  """
  try:
    for pattern in _patterns(data):
      _check_pattern(pattern)
  except errors.UserError as error:
    if not pretrain_data.skips_bad_records(data):
      raise
    print(f"warning: {error}", file=sys.stderr)


def check_objective(data: cfg.DataConfig, path: str) -> None:
  """Refuses, at a dotted path, records that were made for another task."""
  objective = _OBJECTIVES.get(type(data), dataset_folder.MASKED_LM)
  for folder in _folders(data):
    file = os.path.join(folder, dataset_folder.CARD)
    if tf.io.gfile.exists(file):
      card = dataset_folder.read_card(file)
      dataset_folder.require_objective(
        card, objective, folder, f"{path}.input_path"
      )


def check_documents(data: cfg.DataConfig, path: str) -> None:
  """Refuses, at a dotted path, to keep apart what no token ends.

  Only `dataset.json` says what a `[SEP]` is: the end of a document, or that of
  the first of two texts, which may be one document's.
  """
  if not pretrain_data.attends_within_documents(data):
    return
  cards = [*map(dataset_folder.find_card, _folders(data))] or [None]
  for card in cards:
    packing = card and card.get("settings", {}).get("packing")
    errors.require(
      packing in packing_lib.DOCUMENTS_END,
      f"{path}.attend_within_documents must be false unless dataset.json "
      "beside the records says a packing of "
      f"{', '.join(packing_lib.DOCUMENTS_END)}",
      f"true, {packing}" if packing else "true, records without it",
    )


def _folders(data: cfg.DataConfig) -> list[str]:
  """Returns the folders of the records, each once; made-up ones have none."""
  made_up = data.tfds_name or data.input_path == "dummy"
  paths = [] if made_up else _patterns(data)
  return list(dict.fromkeys(map(os.path.dirname, paths)))


def _patterns(data: cfg.DataConfig) -> list[str]:
  """Returns the parts of `input_path`, as Model Garden divides it."""
  paths = data.input_path
  if isinstance(paths, str):
    paths = [paths]
  if not isinstance(paths, list | tuple):
    return []  # nothing, or a mixture
  parts = ",".join(path for path in paths if isinstance(path, str)).split(",")
  return [part.strip() for part in parts if part.strip()]


def _check_pattern(pattern: str) -> None:
  try:
    paths = tf.io.gfile.glob(pattern)
  except tf.errors.OpError:  # `bad_records` reports what cannot be read
    return
  matched = collections.defaultdict(set)
  for path in paths:
    folder, name = os.path.split(path)
    matched[folder].add(name)
  for folder, names in matched.items():
    card = dataset_folder.find_card(folder)
    if card is not None:
      wanted = {
        name: entry
        for name, entry in card["files"].items()
        if name in names or fnmatch.fnmatchcase(name, os.path.basename(pattern))
      }
      dataset_folder.check_names(folder, names, wanted)
      dataset_folder.check_sizes(folder, wanted)
