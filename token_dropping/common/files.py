# SPDX-License-Identifier: Apache-2.0
"""Files and folders, local or remote, that appear whole or not at all.

Paths are those that `filesystems` knows, and all failures are `OSError`s.
"""

import contextlib
import json
import posixpath
import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from token_dropping.common import errors
from token_dropping.common import filesystems
from token_dropping.common import plain_json
from token_dropping.common import plain_text

_BLOCK = 1 << 20


join = posixpath.join


def exists(path: str) -> bool:
  """Says whether a file or folder is there."""
  return filesystems.of(path).exists(path)


def is_folder(path: str) -> bool:
  """Says whether a folder is there."""
  return filesystems.of(path).isdir(path)


def is_pattern(path: str) -> bool:
  """Says whether TensorFlow may take a name for that of other files, too."""
  return not set("*?[\\").isdisjoint(path)


def is_below(path: str) -> bool:
  """Says whether a name stays below a folder, and is no pattern."""
  parts = path.removesuffix("/").split("/")
  return (
    path.isprintable()
    and not is_pattern(path)
    and all(p.strip(". ") and len(p.encode()) < 200 for p in parts)
  )


def check_name(path: str, flag: str) -> None:
  """Refuses the name of a folder that is a pattern as well."""
  rule = f"{flag} must not contain *, ?, [ or a backslash"
  errors.require(not is_pattern(path), rule, repr(path))


def size(path: str) -> int | None:
  """Returns the size of a file in bytes; None if there is no such file."""
  try:
    found = filesystems.of(path).info(path)  # one request
  except errors.UserError:  # a `ValueError`, too
    raise
  except (OSError, ValueError):  # a name that cannot be is a `ValueError`
    return None
  return found["size"] if found["type"] == "file" else None


def matches(pattern: str) -> list[str]:
  """Returns the files, and folders, that a glob matches, sorted."""
  there = filesystems.of(pattern)
  return sorted(map(there.unstrip_protocol, there.glob(pattern)))


def list_names(folder: str) -> list[str]:
  """Returns the names of what is directly in a folder; none if it is absent."""
  try:
    paths = filesystems.of(folder).ls(folder, detail=False)
  except FileNotFoundError:
    return []
  return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)


def open_binary(path: str) -> BinaryIO:
  """Opens a file for reading; raises `OSError`."""
  return filesystems.of(path).open(path, "rb")


def read(path: str) -> bytes:
  """Returns the content of a file; raises `OSError`."""
  with open_binary(path) as file:
    return file.read()


def read_input(path: str, name: str) -> bytes:
  """Returns what a user's file, which messages call `name`, holds."""
  with errors.refusing(f"{name} must be a readable file", repr(path), OSError):
    return read(path)


def read_lines(path: str, name: str) -> list[str]:
  """Returns the lines of a user's text file; see `plain_text`."""
  content = read_input(path, name)
  return plain_text.split_lines(plain_text.decode(content, name, path))


@contextlib.contextmanager
def whole(path: str) -> Iterator[BinaryIO]:
  """Writes a file under a name of its own, until the block has ended."""
  temporary = f"{path}.{uuid.uuid4().hex[:8]}.tmp"
  try:
    with filesystems.of(path).open(temporary, "wb") as file:
      yield file
    rename(temporary, path)
  except BaseException:
    with contextlib.suppress(OSError):
      remove(temporary)
    raise


def write(path: str, content: bytes | str) -> None:
  """Writes a file, whole; text in UTF-8. Raises `OSError`."""
  with whole(path) as file:
    file.write(content.encode() if isinstance(content, str) else content)


def check_output(path: str) -> None:
  """Refuses, before it is made, what `write_output` has no place for."""
  folder, name = posixpath.split(path)
  is_file = bool(name) and is_folder(folder or ".") and not is_folder(path)
  rule = "--output must be a file in an existing folder"
  errors.require(is_file, rule, repr(path))


def write_output(path: str, content: bytes | str) -> None:
  """Writes what a command was asked for; raises `UserError` if it cannot."""
  rule = "--output must be writable"
  with errors.refusing(rule, repr(path), OSError, with_reason=True):
    write(path, content)


def write_json(path: str, content, ensure_ascii: bool = True) -> None:
  """Writes a JSON file, whole; raises `OSError`."""
  text = json.dumps(content, indent=2, ensure_ascii=ensure_ascii)
  write(path, text + "\n")


def find_json(path: str) -> dict | None:
  """Returns the object in a JSON file; None if there is no such thing."""
  with contextlib.suppress(errors.UserError):
    return read_json(path, "")
  return None


def read_json(path: str, unreadable: str) -> dict:
  """Returns the object in a JSON file; a missing one breaks `unreadable`."""
  name = posixpath.basename(path)
  with (
    errors.refusing(unreadable, repr(path), OSError),
    errors.refusing(f"{name} must be JSON", path, ValueError, with_reason=True),
  ):
    content = plain_json.loads(read(path))
  errors.require(
    isinstance(content, dict),
    f"{name} must hold a JSON object",
    f"{path} with {type(content).__name__}",
  )
  return content


def copy(source: str, path: str) -> None:
  """Copies a file, which appears whole; raises `OSError`."""
  with open_binary(source) as file, whole(path) as target:
    shutil.copyfileobj(file, target, _BLOCK)


def describe(path: str) -> dict:
  """Returns the size of a file in `bytes` and its `crc32`, 8 hex digits."""
  number, checksum = 0, 0
  with open_binary(path) as file:
    while block := file.read(_BLOCK):
      number += len(block)
      checksum = zlib.crc32(block, checksum)
  return {"bytes": number, "crc32": f"{checksum:08x}"}


def rename(source: str, path: str) -> None:
  """Renames a file or folder; a file of that name is replaced."""
  filesystems.of(path).mv(source, path, recursive=True)


def remove(path: str) -> None:
  """Removes a file, if it is there."""
  with contextlib.suppress(FileNotFoundError):
    filesystems.of(path).rm(path)


def remove_folder(path: str) -> None:
  """Removes a folder with all that is in it, if it is there; of a link, it."""
  with contextlib.suppress(FileNotFoundError):
    filesystems.of(path).rm(path, recursive=True)


def make_folder(path: str) -> None:
  """Makes a folder and those above it, unless it is there."""
  filesystems.of(path).makedirs(path, exist_ok=True)


@contextlib.contextmanager
def writable(
  path: str, flag: str = "--output_dir", *damage: type[Exception]
) -> Iterator[None]:
  """Refuses, by its flag, a folder that the block fails to make or to write to.

  `damage` is what it may raise then beside `OSError`.
  """
  try:
    yield
  except (OSError, UnicodeError, *damage) as error:
    reason = getattr(error, "strerror", None) or errors.first_line(error)
    raise errors.UserError(
      f"{flag} must be a writable folder. Received: {path!r} ({reason})"
    ) from error


def check_folder(path: str, flag: str = "--output_dir") -> None:
  """Refuses, before there is what to write, a file and what is below one."""
  above = path
  while above and not exists(above):
    above = posixpath.dirname(above)
  is_possible = not above or is_folder(above)
  rule = f"{flag} must be a folder, there or to be made"
  errors.require(is_possible, rule, f"{path!r}, and {above!r} is a file")


def check_new(path: str) -> None:
  """Refuses a folder that is not empty, and what `check_folder` does."""
  errors.require(bool(path), "--output_dir must be set", "nothing")
  check_folder(path)
  rule = "--output_dir must not exist, or be an empty folder"
  errors.require(not list_names(path), rule, repr(path))


@contextlib.contextmanager
def new_folder(
  path: str, check: Callable[[str], None] = check_new
) -> Iterator[str]:
  """Gives a folder that takes the name `path` only when the block has ended.

  What has that name by then is replaced, if `check` does not refuse it. Nothing
  is left if the block raises.
  """
  final = path.rstrip("/")
  work = f"{final}.{uuid.uuid4().hex[:8]}.tmp"
  with writable(path):
    work.encode()  # TensorFlow's paths are UTF-8
    make_folder(work)
  try:
    yield work
    check(path)
    remove_folder(final)
    rename(work, final)
  finally:
    remove_folder(work)  # gone already if all went well
