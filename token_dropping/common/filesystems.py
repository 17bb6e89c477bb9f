# SPDX-License-Identifier: Apache-2.0
"""The filesystem that a path lies on, with the methods of `fsspec`'s.

Local paths go through Python itself, and need neither TensorFlow nor Beam, so
that a worker of the data preparation starts fast. `gs://` goes through
TensorFlow, which has it built in, every other `scheme://` through `fsspec`.
Whatever the filesystem, a failure is an `OSError`.
"""

import contextlib
import functools
import glob
import io
import os
import shutil
from collections.abc import Iterator
from typing import BinaryIO

import fsspec

_TENSORFLOW = ("gs", "ram")
_BUFFER = 1 << 20


def of(path: str):
  """Returns the filesystem; raises `OSError` for a scheme nobody knows."""
  scheme, separator, _ = path.partition("://")
  if not separator:
    return _Local()
  if scheme in _TENSORFLOW:
    return _TensorFlow()
  try:
    # Other processes write, too: what was listed before is out of date.
    return fsspec.filesystem(scheme, use_listings_cache=False)
  except (ImportError, ValueError) as error:
    raise OSError(str(error)) from error


class _Local:
  """Of Python's own."""

  open = staticmethod(open)
  exists = staticmethod(os.path.exists)
  isdir = staticmethod(os.path.isdir)
  isfile = staticmethod(os.path.isfile)
  size = staticmethod(os.path.getsize)
  glob = functools.partial(glob.glob, recursive=True, include_hidden=True)
  unstrip_protocol = staticmethod(str)
  makedirs = staticmethod(os.makedirs)

  def ls(self, folder: str, detail: bool) -> list[str]:
    return os.listdir(folder)

  def mv(self, source: str, path: str, recursive: bool) -> None:
    os.replace(source, path)

  def rm(self, path: str, recursive: bool = False) -> None:
    shutil.rmtree(path) if recursive else os.remove(path)


class _TensorFlow:
  """Of `tf.io.gfile`, whose import takes seconds."""

  unstrip_protocol = staticmethod(str)

  def open(self, path: str, mode: str) -> BinaryIO:
    raw = _TensorFlowFile(path, mode)
    kind = io.BufferedReader if mode == "rb" else io.BufferedWriter
    return kind(raw, _BUFFER)

  def exists(self, path: str) -> bool:
    with _gfile() as gfile:
      return gfile.exists(path)

  def isdir(self, path: str) -> bool:
    with _gfile() as gfile:
      return gfile.isdir(path)

  def isfile(self, path: str) -> bool:
    return self.exists(path) and not self.isdir(path)

  def size(self, path: str) -> int:
    with _gfile() as gfile:
      return gfile.stat(path).length

  def glob(self, pattern: str) -> list[str]:
    with _gfile() as gfile:
      return gfile.glob(pattern)

  def makedirs(self, path: str, exist_ok: bool) -> None:
    with _gfile() as gfile:
      gfile.makedirs(path)

  def ls(self, folder: str, detail: bool) -> list[str]:
    with _gfile() as gfile:
      return gfile.listdir(folder)

  def mv(self, source: str, path: str, recursive: bool) -> None:
    with _gfile() as gfile:
      gfile.rename(source, path, overwrite=True)

  def rm(self, path: str, recursive: bool = False) -> None:
    with _gfile() as gfile:
      gfile.rmtree(path) if recursive else gfile.remove(path)


class _TensorFlowFile(io.RawIOBase):
  """A file of `tf.io.gfile` as Python's buffers want it."""

  def __init__(self, path: str, mode: str):
    self._mode = mode
    with _gfile() as gfile:
      self._file = gfile.GFile(path, mode)
      if mode == "rb":
        self._file.size()  # raises if there is no such file

  def readable(self) -> bool:
    return self._mode == "rb"

  def writable(self) -> bool:
    return self._mode == "wb"

  def seekable(self) -> bool:
    return self._mode == "rb"

  def readinto(self, buffer) -> int:
    with _gfile():
      content = self._file.read(len(buffer))
    buffer[: len(content)] = content
    return len(content)

  def write(self, content) -> int:
    with _gfile():
      self._file.write(bytes(content))
    return len(content)

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    with _gfile():
      self._file.seek(offset, whence)
      return self._file.tell()

  def tell(self) -> int:
    return self._file.tell()

  def close(self) -> None:
    if not self.closed:
      with _gfile():
        self._file.close()
    super().close()


@contextlib.contextmanager
def _gfile() -> Iterator:
  """Gives `tf.io.gfile`, whose errors become `OSError`s in the block."""
  import tensorflow as tf

  try:
    yield tf.io.gfile
  except tf.errors.NotFoundError as error:
    raise FileNotFoundError(error.message) from error
  except tf.errors.OpError as error:
    raise OSError(error.message) from error
