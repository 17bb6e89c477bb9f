# SPDX-License-Identifier: Apache-2.0
"""Files, local or remote, through Apache Beam's filesystems.

Paths may be `gs://`, `s3://` or whatever else the installed Beam knows.
"""

import io
import json
import uuid
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from token_dropping.common import errors
from token_dropping.data.pretraining import quiet_beam

_TEMPORARY = ".tmp"
_BLOCK = 1 << 20
_FS = quiet_beam.filesystems.FileSystems
# What Beam's filesystems raise for files that are not there or not ours.
ERRORS = (OSError, quiet_beam.filesystem.BeamIOError, ValueError)


def join(folder: str, *names: str) -> str:
  """Joins a folder and names."""
  return _FS.join(folder, *names)


def exists(path: str) -> bool:
  """Says whether a file or folder is there."""
  return _FS.exists(path)


def matches(pattern: str) -> dict[str, int]:
  """Returns the sizes of the files that a glob matches, by path, sorted."""
  (match,) = _FS.match([pattern])
  found = {file.path: file.size_in_bytes for file in match.metadata_list}
  return dict(sorted(found.items()))


def size(path: str) -> int | None:
  """Returns the size of a file in bytes; None if there is no such file."""
  try:
    return _FS.get_filesystem(path).size(path) if exists(path) else None
  except ERRORS:
    return None


def open_binary(path: str) -> BinaryIO:
  """Opens a file as it is, without decompression.

  Raises:
    UserError: unreadable.
  """
  try:
    file = _FS.open(
      path, compression_type=quiet_beam.filesystem.CompressionTypes.UNCOMPRESSED
    )
    return file if hasattr(file, "readinto") else io.BufferedReader(file)
  except ERRORS as error:
    raise unreadable(path, error) from error


def read(path: str) -> bytes:
  """Returns the content of a file.

  Raises:
    UserError: unreadable.
  """
  with open_binary(path) as file:
    return file.read()


def write(path: str, content: bytes) -> None:
  """Writes a file; under its own name it is always whole."""
  with _whole(path) as file:
    file.write(content)


def copy(source: str, path: str) -> dict:
  """Copies a local file, which appears whole.

  Returns:
    `bytes`, the size, and `crc32`, the checksum in 8 hexadecimal digits.
  """
  number, checksum = 0, 0
  with open(source, "rb") as file, _whole(path) as target:
    while block := file.read(_BLOCK):
      target.write(block)
      number += len(block)
      checksum = zlib.crc32(block, checksum)
  return {"bytes": number, "crc32": f"{checksum:08x}"}


def read_json(path: str) -> dict | None:
  """Returns the object in a JSON file; None if there is no such thing."""
  if not exists(path):
    return None
  try:
    content = json.loads(read(path))
  except ValueError:  # UserError included
    return None
  return content if isinstance(content, dict) else None


def write_json(path: str, content: dict) -> None:
  """Writes a JSON file, whole."""
  write(path, (json.dumps(content, indent=2) + "\n").encode())


def rename(source: str, path: str) -> None:
  """Renames a file, replacing what has that name."""
  _FS.rename([source], [path])


def remove(path: str) -> None:
  """Removes a file, if it is there."""
  if exists(path):
    _FS.delete([path])


def remove_folder(path: str) -> None:
  """Removes a folder with all that is in it, if it is there."""
  # An object store has no folders: there, removing the files is all.
  inside = [join(path, name) for name in list_names(path)]
  if inside:
    _FS.delete(inside)
  remove(path)


def make_folder(path: str) -> None:
  """Makes a folder and those above it, unless it is there."""
  if not exists(path):
    _FS.mkdirs(path)


def unreadable(path: str, error: Exception) -> errors.UserError:
  """Returns the error for an input file that cannot be read to its end."""
  if isinstance(error, errors.UserError):
    return error
  reason = " ".join(str(error).split())
  return errors.UserError(
    f"input must be a readable file. Received: {path!r} "
    f"({type(error).__name__}: {reason})"
  )


class _whole:
  """Opens a file under a temporary name that no other writer uses."""

  def __init__(self, path: str):
    self._path = path
    self._temporary = f"{path}.{uuid.uuid4().hex}{_TEMPORARY}"

  def __enter__(self) -> BinaryIO:
    self._file = _FS.create(
      self._temporary,
      compression_type=quiet_beam.filesystem.CompressionTypes.UNCOMPRESSED,
    )
    return self._file

  def __exit__(self, kind, *unused) -> None:
    self._file.close()
    if kind is None:
      rename(self._temporary, self._path)
    else:
      remove(self._temporary)


def list_names(folder: str) -> Iterator[str]:
  """Yields the names of the files directly in a folder; none if it is absent.

  Args:
    folder: without `*`, `?` or `[`, which have a meaning to Beam.
  """
  # Not guarded by `exists`, which denies every folder of an object store.
  for path in matches(join(folder, "*")):
    yield path.rstrip("/").rpartition("/")[2]
