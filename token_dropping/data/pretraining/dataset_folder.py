# SPDX-License-Identifier: Apache-2.0
"""Is a dataset's folder what its `dataset.json` says?

`dataset.json` is written last and lists every other file with its size, its
CRC-32 and its number of records. Two forms of the same check: the quick one
lists the folder and asks for sizes, the full one reads every file once.
"""

import concurrent.futures
import functools
import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable

import tensorflow as tf
import tqdm

from token_dropping.common import errors
from token_dropping.data.pretraining import dataset_format

SPLITS = ("train", "validation")

_RECORDS_NAME = re.compile(rf"(?:{'|'.join(SPLITS)})-")
_CHECKSUM = re.compile(r"[0-9a-f]{8}")
_CHUNK = 1 << 20  # bytes read at a time, by each of the threads
_THREADS = 8  # remote filesystems answer slowly, and to many at once


def verify(folder: str, quick: bool = False) -> dict:
  """Compares a folder with its `dataset.json`.

  Args:
    folder: of the dataset, on any filesystem that TensorFlow knows.
    quick: bool, compare names and sizes only; default false: also checksums
      and the number of records, in constant memory.

  Returns:
    The content of `dataset.json`.

  Raises:
    UserError: the first thing that differs.
  """
  card = load_card(folder)
  check_names(folder, _list_folder(folder), card["files"])
  check_sizes(folder, card["files"])
  if not quick:
    _for_each(functools.partial(_check_content, folder), card["files"])
  return card


def load_card(folder: str) -> dict:
  """Reads `dataset.json` and checks that its own figures agree.

  Args:
    folder: of the dataset.

  Returns:
    The content of `dataset.json`.

  Raises:
    UserError: no folder, no `dataset.json`, not one of `FORMAT_VERSION`, or
      the records of its files do not add up to those of its splits.
  """
  if not tf.io.gfile.isdir(folder):
    raise errors.UserError(
      f"a dataset must be a folder that exists. Received: {folder!r}"
    )
  path = tf.io.gfile.join(folder, dataset_format.CARD)
  if not tf.io.gfile.exists(path):
    raise errors.UserError(
      f"a finished dataset must hold dataset.json, which is written last. "
      f"Received: {folder!r} without it"
    )
  card = read_json(path)
  check_card(card, path)
  return card


def find_card(folder: str) -> dict | None:
  """Reads a `dataset.json` that may be there, and checks its own figures.

  Args:
    folder: of records.

  Returns:
    Its content; `None` where there is none, or one of format version 1, which
    has no counts.

  Raises:
    UserError: not JSON, of a version that is not known, or it disagrees with
      itself.
  """
  path = os.path.join(folder, dataset_format.CARD)
  if not tf.io.gfile.exists(path):
    return None
  card = read_json(path)
  if card.get("format_version", 1) == 1:
    return None
  check_card(card, path)
  return card


def read_json(path: str) -> dict:
  """Returns the content of a `dataset.json`; raises `UserError`."""
  try:
    with tf.io.gfile.GFile(path, "rb") as file:
      content = json.loads(file.read())
  except ValueError as error:
    raise errors.UserError(
      f"dataset.json must be JSON. Received: {path} ({error})"
    ) from error
  except tf.errors.OpError as error:
    raise _unreadable(path) from error
  if not isinstance(content, dict):
    raise errors.UserError(
      f"dataset.json must hold a JSON object. Received: {path} with "
      f"{type(content).__name__}"
    )
  return content


def check_card(card: dict, path: str) -> None:
  """Checks that a `dataset.json` lists its files and agrees with itself.

  Args:
    card: the content.
    path: of the file, for messages.

  Raises:
    UserError: not of `FORMAT_VERSION`, an entry is missing, or the records of
      the files of a split are not as many as the split has.
  """
  version = card.get("format_version")
  if version != dataset_format.FORMAT_VERSION:
    raise errors.UserError(
      f"dataset.json must have format_version {dataset_format.FORMAT_VERSION}. "
      f"Received: {version!r} in {path}"
    )
  files = card.get("files")
  if not isinstance(files, dict):
    raise errors.UserError(
      f"files in {path} must be a JSON object. Received: {files!r}"
    )
  for name, entry in files.items():
    if not _is_complete(name, entry):
      raise errors.UserError(
        f"files in {path} must give bytes, crc32 (8 hexadecimal digits) and, "
        f"for TFRecords, records. Received: {name!r}: {json.dumps(entry)}"
      )
  for split in SPLITS:
    _check_sum(card, split, path)


def check_names(
  folder: str, present: Iterable[str], listed: Iterable[str]
) -> None:
  """Compares the names of files that there are with those there should be.

  Args:
    folder: of the dataset, for messages.
    present: names without folder.
    listed: likewise; those of `dataset.json`.

  Raises:
    UserError: one is missing, or records are there that are not listed. Files
      of other names than `train-` and `validation-` are nobody's business.
  """
  missing = sorted(set(listed) - set(present))
  if missing:
    raise errors.UserError(
      f"every file that dataset.json lists must be in its folder. Received: "
      f"{folder!r} without {missing[0]}"
    )
  extra = sorted(set(present) - set(listed))
  extra = [name for name in extra if _is_records(name)]
  if extra:
    raise errors.UserError(
      "every train- and validation- file must be listed in dataset.json. "
      f"Received: {tf.io.gfile.join(folder, extra[0])}, which is not"
    )


def check_sizes(folder: str, files: dict[str, dict]) -> None:
  """Compares sizes.

  Args:
    folder: of the dataset.
    files: entries of `dataset.json`, by name.

  Raises:
    UserError: a file is longer or shorter.
  """
  _for_each(functools.partial(_check_size, folder), files, hidden=True)


def _list_folder(folder: str) -> list[str]:
  try:
    # Some filesystems mark folders with a slash.
    return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
  except tf.errors.OpError as error:
    raise _unreadable(folder) from error


def _is_records(name: str) -> bool:
  return _RECORDS_NAME.match(name) is not None


def _is_complete(name: str, entry) -> bool:
  if os.path.basename(name) != name or not isinstance(entry, dict):
    return False
  numbers = ["bytes"] + ["records"] * _is_records(name)
  return _CHECKSUM.fullmatch(str(entry.get("crc32"))) is not None and all(
    type(entry.get(number)) is int and entry[number] >= 0 for number in numbers
  )


def _check_sum(card: dict, split: str, path: str) -> None:
  part = card.get(split)
  records = part.get("records") if isinstance(part, dict) else None
  total = sum(
    entry["records"]
    for name, entry in card["files"].items()
    if name.startswith(f"{split}-")
  )
  if records != total:
    raise errors.UserError(
      f"{split}.records in {path} must be the sum over its {split}- files, "
      f"{total}. Received: {records}"
    )


def _for_each(
  check: Callable[[str, dict], None], files: dict, hidden: bool = False
) -> None:
  """Checks several files at a time; raises for the first in their order."""
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    done = pool.map(check, files.keys(), files.values())
    # disable=None: on a terminal only.
    for _ in tqdm.tqdm(
      done, "verifying", len(files), unit=" files", disable=hidden or None
    ):
      pass


def _check_size(folder: str, name: str, entry: dict) -> None:
  path = tf.io.gfile.join(folder, name)
  try:
    size = tf.io.gfile.stat(path).length
  except tf.errors.OpError as error:
    raise _unreadable(path) from error
  if size != entry["bytes"]:
    raise errors.UserError(
      f"{path} must have {entry['bytes']} bytes, as dataset.json says. "
      f"Received: {size} bytes"
    )


def _check_content(folder: str, name: str, entry: dict) -> None:
  path = tf.io.gfile.join(folder, name)
  checksum, frames = 0, _FrameCounter()
  try:
    with tf.io.gfile.GFile(path, "rb") as file:
      while chunk := file.read(_CHUNK):
        checksum = zlib.crc32(chunk, checksum)
        if _is_records(name):
          frames.feed(chunk)
  except tf.errors.OpError as error:
    raise _unreadable(path) from error
  if f"{checksum:08x}" != entry["crc32"]:
    raise errors.UserError(
      f"{path} must have the CRC-32 {entry['crc32']}, as dataset.json says. "
      f"Received: {checksum:08x}"
    )
  if _is_records(name):
    _check_frames(frames, path, entry["records"])


def _check_frames(frames: "_FrameCounter", path: str, records: int) -> None:
  if not frames.is_whole:
    raise errors.UserError(
      f"{path} must end with a whole record. Received: only a part of record "
      f"{frames.records}"
    )
  if frames.records != records:
    raise errors.UserError(
      f"{path} must hold {records} records, as dataset.json says. "
      f"Received: {frames.records}"
    )


def _unreadable(path: str) -> errors.UserError:
  return errors.UserError(f"a dataset must be readable. Received: {path!r}")


class _FrameCounter:
  """Counts the records of a TFRecord file given in pieces of any size.

  A record is framed as: length (uint64, little-endian), checksum of the length
  (4 bytes), the bytes, checksum of the bytes (4 bytes). The checksums are left
  alone: that of the whole file covers them.

  Attributes:
    records: int, whole records so far.
  """

  _HEAD, _TAIL = 12, 4

  def __init__(self):
    self.records = 0
    self._head = b""
    self._to_skip = 0

  @property
  def is_whole(self) -> bool:
    """Whether what was given so far ends where a record ends."""
    return not self._head and not self._to_skip

  def feed(self, piece: bytes) -> None:
    """Takes the next piece of the file."""
    start = 0
    while start < len(piece):
      if not self._to_skip:
        missing = self._HEAD - len(self._head)
        self._head += piece[start : start + missing]
        start += missing
        if len(self._head) == self._HEAD:
          self._to_skip = struct.unpack_from("<Q", self._head)[0] + self._TAIL
          self._head = b""
      else:
        step = min(self._to_skip, len(piece) - start)
        start += step
        self._to_skip -= step
        self.records += not self._to_skip
