# SPDX-License-Identifier: Apache-2.0
"""Small datasets for tests: records and the `dataset.json` that fits them."""

import pathlib
from collections.abc import Mapping, Sequence

from tests import testing
from token_dropping.common import files
from token_dropping.data.pretraining import dataset_folder


def write_dataset(
  folder: pathlib.Path,
  tokens: Sequence[str],
  shards: Mapping[str, list[dict]],
  **fields,
) -> dict:
  """Writes records, `vocab.txt` and `dataset.json`, which is returned.

  `shards` are features of the records, by the name of their file; `fields` are
  those of `dataset.json` that differ from here.
  """
  for name, features in shards.items():
    testing.write_records(folder / name, features)
  testing.write_vocabulary(folder / "vocab.txt", tokens)
  entries = {"vocab.txt": files.describe(str(folder / "vocab.txt"))}
  counts = {folder / name: len(features) for name, features in shards.items()}
  card = {
    "format_version": dataset_folder.FORMAT_VERSION,
    "settings": {"packing": "full", "seq_length": testing.SEQ_LENGTH},
    "masking": "static",
    "vocab_size": len(tokens),
    **{split: _part(split, shards) for split in dataset_folder.SPLITS},
    "text": {},
    "files": entries | _entries(counts),
  }
  card |= fields
  write_card(folder, card)
  return card


def write_card(folder: pathlib.Path, card: dict) -> None:
  """Writes `dataset.json`."""
  testing.write_json(folder / dataset_folder.CARD, card)


def write_counts(
  folder: pathlib.Path, records: Mapping[pathlib.Path, int], **fields
) -> None:
  """Writes the `dataset.json` of files that have so many records each.

  `fields` are more of it.
  """
  parts = {
    split: sum(n for file, n in records.items() if file.name.startswith(split))
    for split in dataset_folder.SPLITS
  }
  card = {
    "format_version": dataset_folder.FORMAT_VERSION,
    **{split: {"records": count} for split, count in parts.items()},
    "files": _entries(records),
    **fields,
  }
  write_card(folder, card)


def _entries(counts: Mapping[pathlib.Path, int]) -> dict[str, dict]:
  return {
    file.name: files.describe(str(file)) | {"records": count}
    for file, count in counts.items()
  }


def _part(split: str, shards: Mapping[str, list[dict]]) -> dict:
  records = sum(len(v) for k, v in shards.items() if k.startswith(split))
  return {
    "documents": 1,
    "sequences": records,
    "records": records,
    "tokens": records * testing.SEQ_LENGTH,
    "unknown_share": 0.0125,
    "dropped_tokens": 0,
    "truncated_tokens": 7,
    "padding_share": 0.25,
    "masked_tokens": records * (testing.PREDICTIONS - 1),
    "unigram_loss": 3.0,
  }
