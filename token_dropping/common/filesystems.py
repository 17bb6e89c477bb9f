# SPDX-License-Identifier: Apache-2.0
"""The filesystem that a path lies on, with the methods of `fsspec`'s.

Local paths need neither TensorFlow nor Beam, so that a worker of the data
preparation starts fast. `gs://` goes through TensorFlow, which has it built in,
every other `scheme://` through `fsspec`. All failures are `OSError`s.
"""

import contextlib
import functools
import glob
import io
import os
import shutil
import stat
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
  open = staticmethod(open)
  exists = staticmethod(os.path.exists)
  isdir = staticmethod(os.path.isdir)
  glob = staticmethod(
    functools.partial(glob.glob, recursive=True, include_hidden=True)
  )
  unstrip_protocol = staticmethod(str)
  makedirs = staticmethod(os.makedirs)

  def info(self, path: str) -> dict:
    found = os.stat(path)
    kind = "file" if stat.S_ISREG(found.st_mode) else "other"
    return {"type": kind, "size": found.st_size}

  def ls(self, folder: str, detail: bool) -> list[str]:
    return os.listdir(folder)

  def mv(self, source: str, path: str, recursive: bool) -> None:
    os.replace(source, path)

  def rm(self, path: str, recursive: bool = False) -> None:
    shutil.rmtree(path) if recursive else os.remove(path)


def _gfile_method(name: str, **arguments):
  """Returns a method that asks `tf.io.gfile`, whose import takes seconds."""

  def method(self, *paths, **unused):
    with _gfile() as gfile:
      return getattr(gfile, name)(*paths, **arguments)

  return method


class _TensorFlow:
  unstrip_protocol = staticmethod(str)
  exists = _gfile_method("exists")
  isdir = _gfile_method("isdir")
  glob = _gfile_method("glob")
  ls = _gfile_method("listdir")
  makedirs = _gfile_method("makedirs")
  mv = _gfile_method("rename", overwrite=True)
  _stat = _gfile_method("stat")
  _remove = _gfile_method("remove")
  _remove_tree = _gfile_method("rmtree")

  def open(self, path: str, mode: str) -> BinaryIO:
    raw = _TensorFlowFile(path, mode)
    kind = io.BufferedReader if mode == "rb" else io.BufferedWriter
    return kind(raw, _BUFFER)

  def info(self, path: str) -> dict:
    found = self._stat(path)
    kind = "directory" if found.is_directory else "file"
    return {"type": kind, "size": found.length}

  def rm(self, path: str, recursive: bool = False) -> None:
    (self._remove_tree if recursive else self._remove)(path)


class _TensorFlowFile(io.RawIOBase):
  """A file of `tf.io.gfile` as Python's buffers want it."""

  def __init__(self, path: str, mode: str):
    self._mode = mode
    with _gfile() as gfile:
      self._file = gfile.GFile(path, mode)
      # Now, not at the first use: it may not be there, or stay empty.
      self._file.size() if mode == "rb" else self._file.write(b"")

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
