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

from token_dropping.common import errors

_TENSORFLOW = ("gs", "ram")
_BUFFER = 1 << 20


def of(path: str):
  """Returns the filesystem; raises `OSError` for what is no path anywhere.

  One that needs a package which is not there is a `UserError` that names it.
  """
  if "\0" in path:
    raise OSError("a path has no NUL character")
  scheme, separator, _ = path.partition("://")
  if not separator:
    return _Local()
  if scheme in _TENSORFLOW:
    return _TensorFlow()
  rule = "paths must be local, gs:// or of a filesystem whose package is "
  rule += "installed"
  with errors.refusing(rule, repr(path), Exception, with_reason=True):
    # Other processes write, too: what was listed before is out of date.
    return _Remote(fsspec.filesystem(scheme, use_listings_cache=False))


def require_tensorflow(path: str, name: str) -> None:
  """Refuses a path, called `name`, that TensorFlow itself cannot open here."""
  scheme, separator, _ = path.partition("://")
  if separator and scheme not in _TENSORFLOW:
    import tensorflow as tf

    errors.require(
      scheme in tf.io.gfile.get_registered_schemes(),
      f"{name} must be local or gs://: TensorFlow reads other places only with "
      "packages of their own, such as tensorflow-io",
      repr(path),
    )


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
    # What a link leads to is somebody else's: the link alone goes.
    path = path.rstrip("/")
    is_folder = recursive and not os.path.islink(path)
    shutil.rmtree(path) if is_folder else os.remove(path)


class _Guarded:
  """A library's object or module, whose functions raise only `OSError`s."""

  def __init__(self, inner):
    self._inner = inner

  def __getattr__(self, name: str):
    found = getattr(self._inner, name)
    if not callable(found):
      return found

    def call(*args, **kwargs):
      with _os_errors():
        return found(*args, **kwargs)

    return call


class _Remote(_Guarded):
  """A filesystem of `fsspec`, whose libraries have errors of their own."""

  def open(self, path: str, mode: str) -> BinaryIO:
    with _os_errors():
      return _buffered(_Guarded(self._inner.open(path, mode)), mode)


class _TensorFlow(_Guarded):
  unstrip_protocol = staticmethod(str)

  def __init__(self):
    import tensorflow as tf  # takes seconds

    super().__init__(tf.io.gfile)

  def open(self, path: str, mode: str) -> BinaryIO:
    return _buffered(_TensorFlowFile(self.GFile(path, mode), mode), mode)

  def info(self, path: str) -> dict:
    found = self.stat(path)
    kind = "directory" if found.is_directory else "file"
    return {"type": kind, "size": found.length}

  def ls(self, folder: str, detail: bool) -> list[str]:
    return self.listdir(folder)

  def makedirs(self, path: str, exist_ok: bool) -> None:
    with _os_errors():
      self._inner.makedirs(path)

  def mv(self, source: str, path: str, recursive: bool) -> None:
    self.rename(source, path, overwrite=True)

  def rm(self, path: str, recursive: bool = False) -> None:
    self.rmtree(path) if recursive else self.remove(path)


class _TensorFlowFile(io.RawIOBase):
  """A file of `tf.io.gfile` as Python's buffers want it."""

  def __init__(self, file, mode: str):
    self._file = _Guarded(file)
    self.readable = self.seekable = lambda: mode == "rb"
    self.writable = lambda: mode == "wb"
    # Now, not at the first use: it may not be there, or stay empty.
    self._file.size() if mode == "rb" else self._file.write(b"")

  def readinto(self, buffer) -> int:
    content = self._file.read(len(buffer))
    buffer[: len(content)] = content
    return len(content)

  def write(self, content) -> int:
    self._file.write(bytes(content))
    return len(content)

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    self._file.seek(offset, whence)
    return self._file.tell()

  def close(self) -> None:
    if not self.closed:
      self._file.close()
    super().close()


def _buffered(raw, mode: str) -> BinaryIO:
  kind = io.BufferedReader if mode == "rb" else io.BufferedWriter
  return kind(raw, _BUFFER)


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
  """Turns what a library raises in the block into `OSError`s of one line."""
  try:
    yield
  except OSError:
    raise
  except Exception as error:
    missing = type(error).__name__ == "NotFoundError"  # TensorFlow's
    kind = FileNotFoundError if missing else OSError
    raise kind(" ".join(str(error).split()) or type(error).__name__) from error
