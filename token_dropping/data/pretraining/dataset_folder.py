# SPDX-License-Identifier: Apache-2.0
"""Is a dataset's folder what its `dataset.json` says?

That is written last; it lists each other file with size, CRC-32 and records.
"""

import collections
import concurrent.futures
import functools
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable

import tqdm

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_json

CARD = "dataset.json"
FORMAT_VERSION = 2
SPLITS = ("train", "validation")
# What data are for.
OBJECTIVES = MASKED_LM, CAUSAL_LM = "masked_lm", "causal_lm"
TRANSLATION = "translation"
_COMMANDS = {
  **{objective: f"prepare --objective={objective}" for objective in OBJECTIVES},
  TRANSLATION: "prepare_pairs",
}
_FORM = {
  "objective?": str,
  "settings?": {"seq_length?": int, "max_predictions_per_seq?": int},
  "files?": {},
}
_COUNTED = ("text", *SPLITS)

_RECORDS_NAME = re.compile(rf"(?:{'|'.join(SPLITS)})-")
_CHECKSUM = re.compile(r"[0-9a-f]{8}")
_BLOCK = 1 << 20  # a wrong length must not fill the memory
_THREADS = 8  # remote filesystems answer slowly, and to many at once
_READABLE = "a dataset must be readable"


def verify(folder: str, quick: bool = False) -> dict:
  """Compares a folder with its `dataset.json`, and returns that.

  Names and sizes are compared; unless `quick`, also checksums and the number of
  records, in constant memory. The first thing that differs is a `UserError`.
  """
  with errors.refusing(_READABLE, repr(folder), OSError, with_reason=True):
    card, present = load_card(folder), files.list_names(folder)
  check_names(folder, present, card["files"])
  check_sizes(folder, card["files"])
  if not quick:
    _for_each(functools.partial(_check_content, folder), card["files"])
  return card


def load_card(folder: str) -> dict:
  """Reads a `dataset.json`; refuses one that disagrees with itself."""
  rule = "a dataset must be a folder that exists"
  errors.require(files.is_folder(folder), rule, repr(folder))
  path = files.join(folder, CARD)
  errors.require(
    files.exists(path),
    "a finished dataset must hold dataset.json, which is written last",
    f"{folder!r} without it",
  )
  return _checked(read_card(path), path)


def find_card(folder: str) -> dict | None:
  """Returns a checked `dataset.json`, None if missing or of version 1."""
  path = files.join(folder, CARD)
  card = read_card(path) if files.exists(path) else {}
  if card.get("format_version", 1) == 1:
    return None
  return _checked(card, path)


def read_card(path: str) -> dict:
  """Returns the content of a `dataset.json`; raises `UserError`."""
  card = files.read_json(path, _READABLE)
  plain_json.check(card, _FORM, path)
  for name in _COUNTED if card.get("format_version", 1) != 1 else ():
    plain_json.check(counts := card.get(name, {}), {}, path, name)
    known = {key: value for key, value in counts.items() if value is not None}
    plain_json.check(known, {str: float}, path, name)
  return card


def require_objective(
  card: dict, objective: str, folder: str, name: str
) -> None:
  """Refuses data, under the name of a flag or field, of another objective."""
  made = card.get("objective", MASKED_LM)
  rule = f"{name} must name data of {_COMMANDS[objective]}"
  errors.require(made == objective, rule, f"{folder!r}, made for {made}")


def _checked(card: dict, path: str) -> dict:
  version = card.get("format_version")
  errors.require(
    version == FORMAT_VERSION,
    f"dataset.json must have format_version {FORMAT_VERSION}",
    f"{version!r} in {path}",
  )
  entries = card.get("files", {})
  for name, entry in entries.items():
    errors.require(
      _is_complete(name, entry),
      f"files in {path} must give bytes, crc32 (8 hexadecimal digits) and, "
      "for TFRecords, records",
      f"{name!r}: {json.dumps(entry)}",
    )
  for split in SPLITS:
    records = card.get(split, {}).get("records")
    own = [name for name in entries if name.startswith(f"{split}-")]
    total = sum(entries[name]["records"] for name in own)
    rule = f"{split}.records in {path} must be the sum over its {split}- files"
    errors.require(records == total, f"{rule}, {total}", records)
  return card


def check_names(
  folder: str, present: Iterable[str], listed: Iterable[str]
) -> None:
  """Refuses missing files, and `train-` and `validation-` files not listed."""
  present, listed = set(present), set(listed)
  for name in sorted(listed - present):
    raise errors.UserError(
      "every file that dataset.json lists must be in its folder. "
      f"Received: {folder!r} without {name}"
    )
  for name in filter(_is_records, sorted(present - listed)):
    raise errors.UserError(
      "every train- and validation- file must be listed in dataset.json. "
      f"Received: {files.join(folder, name)}, which is not"
    )


def check_sizes(folder: str, entries: dict[str, dict]) -> None:
  """Compares the sizes of files with their entries in `dataset.json`."""
  _for_each(functools.partial(_check_size, folder), entries, is_shown=False)


def _is_records(name: str) -> bool:
  return _RECORDS_NAME.match(name) is not None


def _is_complete(name: str, entry) -> bool:
  if os.path.basename(name) != name or not isinstance(entry, dict):
    return False
  numbers = ["bytes"] + ["records"] * _is_records(name)
  return _CHECKSUM.fullmatch(str(entry.get("crc32"))) is not None and all(
    type(entry.get(number)) is int and entry[number] >= 0 for number in numbers
  )


def _for_each(
  check: Callable[[str, dict], None], entries: dict, is_shown: bool = True
) -> None:
  """Checks several files at a time; raises for the first in their order."""
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    done = pool.map(check, entries.keys(), entries.values())
    disable = None if is_shown else True  # None: it is on a terminal only
    bar = tqdm.tqdm(done, "verifying", len(entries), disable=disable)
    collections.deque(bar, maxlen=0)


def _check_size(folder: str, name: str, entry: dict) -> None:
  path = files.join(folder, name)
  size = files.size(path)
  errors.require(size is not None, _READABLE, repr(path))
  rule = f"{path} must have {entry['bytes']} bytes, as dataset.json says"
  errors.require(size == entry["bytes"], rule, f"{size} bytes")


def _check_content(folder: str, name: str, entry: dict) -> None:
  path = files.join(folder, name)
  records = None
  with errors.refusing(_READABLE, repr(path), OSError):
    if _is_records(name):
      checksum, records, is_whole = _read_records(path)
    else:
      checksum = files.describe(path)["crc32"]
  rule = f"must have the CRC-32 {entry['crc32']}, as dataset.json says"
  errors.require(checksum == entry["crc32"], f"{path} {rule}", checksum)
  if records is not None:
    received = f"only a part of record {records}"
    errors.require(is_whole, f"{path} must end with a whole record", received)
    rule = f"must hold {entry['records']} records, as dataset.json says"
    errors.require(records == entry["records"], f"{path} {rule}", records)


def _read_records(path: str) -> tuple[str, int, bool]:
  """Returns a file's CRC-32, its whole records, and whether nothing follows.

  A record: length (uint64, little-endian), 4 bytes of checksum, the bytes, 4 of
  checksum. The checksums are left alone: that of the whole file covers them.
  """
  checksum, records, is_whole = 0, 0, True
  with files.open_binary(path) as file:
    while head := file.read(12):
      checksum = zlib.crc32(head, checksum)
      left = int.from_bytes(head[:8], "little") + 4
      while left and (block := file.read(min(left, _BLOCK))):
        checksum = zlib.crc32(block, checksum)
        left -= len(block)
      is_whole = len(head) == 12 and not left
      records += is_whole
  return f"{checksum:08x}", records, is_whole
