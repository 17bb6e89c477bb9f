# SPDX-License-Identifier: Apache-2.0
"""Opens .gz, .bz2 and .zst files as streams that say when they are cut off."""

import bz2
import contextlib
import gzip
import io
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

from token_dropping.common import errors
from token_dropping.common import files

SUFFIXES = (".gz", ".bz2", ".zst")
_BLOCK = 1 << 18


@contextlib.contextmanager
def open_stream(path: str) -> Iterator[BinaryIO]:
  """Opens a file for reading, decompressed if its name says so.

  Args:
    path: a file of any size: it is streamed.

  Raises:
    UserError: unreadable. Damage found later raises `OSError` or `EOFError`.
  """
  try:
    file = files.open_binary(path)
  except OSError as error:
    raise unreadable(path, error) from error
  with file, _decompress(path, file) as stream:
    yield stream


def unreadable(path: str, error: Exception) -> errors.UserError:
  """Returns the error for an input file that cannot be read to its end."""
  if isinstance(error, errors.UserError):
    return error
  reason = " ".join(str(error).split())
  return errors.UserError(
    f"input must be a readable file. Received: {path!r} "
    f"({type(error).__name__}: {reason})"
  )


def _decompress(path: str, file: BinaryIO) -> BinaryIO:
  if path.endswith(".gz"):
    return io.BufferedReader(gzip.GzipFile(fileobj=file))
  if path.endswith(".bz2"):
    return io.BufferedReader(bz2.BZ2File(file))
  if path.endswith(".zst"):
    return io.BufferedReader(_ZstdReader(file), _BLOCK)
  return file


class _ZstdReader(io.RawIOBase):
  """Decompresses Zstandard frames one after another.

  The reader of `zstandard` itself takes a file that was cut off for a whole
  one, and text would be lost in silence.
  """

  def __init__(self, file: BinaryIO):
    self._file = file
    self._frame = None
    self._output = b""
    self._input = b""

  def readable(self) -> bool:
    return True

  def readinto(self, buffer) -> int:
    while not self._output and self._fill():
      pass
    part = self._output[: len(buffer)]
    self._output = self._output[len(part) :]
    buffer[: len(part)] = part
    return len(part)

  def _fill(self) -> bool:
    """Decompresses some more; returns False at the end."""
    self._input = self._input or self._file.read(_BLOCK)
    if not self._input:
      if self._frame is not None:
        raise EOFError("a Zstandard frame ends too early")
      return False
    if self._frame is None:
      self._frame = zstandard.ZstdDecompressor().decompressobj()
    try:
      self._output = self._frame.decompress(self._input)
    except zstandard.ZstdError as error:
      raise OSError(str(error)) from error
    self._input = b""
    if self._frame.eof:
      self._input, self._frame = self._frame.unused_data, None
    return True
