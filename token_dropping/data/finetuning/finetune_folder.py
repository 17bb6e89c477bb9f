# SPDX-License-Identifier: Apache-2.0
"""The folder of prepared fine-tuning data: is it ready, and how it is made.

Everything is written to a new folder beside the final one, the card last, and
renamed when it is complete. So under its final name there is only whole data.
"""

import json
import uuid
import zlib
from collections.abc import Callable

import tensorflow as tf

from token_dropping.common import errors

CARD = "finetune.json"
FORMAT_VERSION = 1
_BLOCK = 1 << 20


def read_card(folder: str) -> dict:
  """Reads the card of prepared data and checks that its files are there.

  Returns:
    The content of `finetune.json`, explained in docs/finetuning.md.

  Raises:
    UserError: no such folder, no card, not one of `FORMAT_VERSION`, or a file
      is missing or has another size.
  """
  card = _load(folder)
  errors.require(
    card,
    "fine-tuning data must be a folder that token_dropping.data.finetune "
    f"made, with {CARD}",
    repr(folder),
  )
  errors.require(
    card.get("format_version") == FORMAT_VERSION,
    f"{CARD} must have format_version {FORMAT_VERSION}",
    f"{card.get('format_version')!r} in {tf.io.gfile.join(folder, CARD)}",
  )
  for path, size, listed in _sizes(folder, card):
    errors.require(
      size == listed,
      f"{path} must have {listed} bytes, as {CARD} says",
      "no such file" if size is None else f"{size} bytes",
    )
  return card


def find_ready(folder: str, settings: dict) -> dict | None:
  """Returns the card if data of these settings are there, whole; else None."""
  card = _load(folder)
  ready = (
    card is not None
    and card.get("format_version") == FORMAT_VERSION
    and card["settings"] == settings
    and all(size == listed for _, size, listed in _sizes(folder, card))
  )
  return card if ready else None


def check_replaceable(folder: str) -> None:
  """Checks that a folder is not there, empty, or data of an earlier run.

  Raises:
    UserError: it holds a file that no card of ours lists, or is a file.
  """
  if not tf.io.gfile.exists(folder):
    return
  errors.require(
    tf.io.gfile.isdir(folder),
    "output_dir must be a folder",
    f"{folder!r}, a file",
  )
  ours = {CARD, *(_load(folder) or {}).get("files", {})}
  names = {name.rstrip("/") for name in tf.io.gfile.listdir(folder)}
  for foreign in sorted(names - ours):
    raise errors.UserError(
      "output_dir must not hold files that this command did not make. "
      f"Received: {folder!r} with {foreign}"
    )


def make(folder: str, write: Callable[[str], dict]) -> dict:
  """Makes the folder, whole or not at all.

  Args:
    folder: that `check_replaceable` has accepted.
    write: writes all files but the card to the folder that it is given, and
      returns the content of the card. `files` and `format_version` are added.

  Returns:
    The card.

  Raises:
    UserError: the folder is not writable; and what `write` raises.
  """
  scratch = f"{folder.rstrip('/')}.{uuid.uuid4().hex[:8]}.tmp"
  try:
    tf.io.gfile.makedirs(scratch)
  except tf.errors.OpError as error:
    raise errors.UserError(
      f"output_dir must be in a writable folder. Received: {folder!r}"
    ) from error
  try:
    card = {"format_version": FORMAT_VERSION} | write(scratch)
    card["files"] = {
      name: describe(tf.io.gfile.join(scratch, name))
      for name in sorted(tf.io.gfile.listdir(scratch))
    }
    with tf.io.gfile.GFile(tf.io.gfile.join(scratch, CARD), "w") as file:
      file.write(json.dumps(card, indent=2) + "\n")
    if tf.io.gfile.exists(folder):
      tf.io.gfile.rmtree(folder)
    tf.io.gfile.rename(scratch, folder)
  finally:
    if tf.io.gfile.exists(scratch):
      tf.io.gfile.rmtree(scratch)
  return card


def describe(path: str) -> dict:
  """Returns size in bytes and CRC-32 (8 hexadecimal digits) of a file."""
  checksum, size = 0, 0
  with tf.io.gfile.GFile(path, "rb") as file:
    while block := file.read(_BLOCK):
      checksum = zlib.crc32(block, checksum)
      size += len(block)
  return {"bytes": size, "crc32": f"{checksum:08x}"}


def _load(folder: str) -> dict | None:
  """Returns a card that lists files; None if there is no such thing."""
  try:
    with tf.io.gfile.GFile(tf.io.gfile.join(folder, CARD), "rb") as file:
      card = json.loads(file.read())
  except (tf.errors.OpError, ValueError):
    return None
  whole = isinstance(card, dict) and isinstance(card.get("files"), dict)
  return card if whole else None


def _sizes(folder: str, card: dict):
  """Yields path, size (None: no such file) and listed size of each file."""
  for name, entry in card["files"].items():
    path = tf.io.gfile.join(folder, name)
    there = tf.io.gfile.exists(path)
    size = tf.io.gfile.stat(path).length if there else None
    yield path, size, entry["bytes"]
