# SPDX-License-Identifier: Apache-2.0
"""Lines of clean text from files of any size; what is changed is counted.

A file is cut at byte positions chosen without looking into it. Each reader
moves both of its ends forward to the next boundary by the same rule, so that
every document is read exactly once.
"""

import bz2
import collections
import contextlib
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from backports import zstd

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_text
from token_dropping.common import text_bytes
from token_dropping.data.text import words

# All are in the dataset's `text`.
COUNTERS = (
  "documents",  # that are used
  "empty_documents",  # skipped
  "one_word_documents",  # skipped
  "duplicate_documents",  # skipped with `deduplicate`
  "long_words",  # more than 100 characters, `[UNK]`
  "cut_documents",  # too long to hold in memory
  "cut_lines",  # likewise
  "invalid_utf8_lines",  # wrong bytes became U+FFFD
  "control_characters",  # removed
  "byte_order_marks",  # removed
  "crlf_lines",
  "bad_json_lines",  # no JSON object, skipped
  "lines_without_text",  # objects that lack the text field, skipped
)
MAX_LINE = 1 << 20  # bytes in memory; a longer line is read in parts
# Each says at its end whether the file was cut off.
DECOMPRESS = {
  ".gz": lambda file: gzip.GzipFile(fileobj=file),
  ".bz2": bz2.BZ2File,
  ".zst": zstd.ZstdFile,
}
_NAMES = f"compressed with a name in {', '.join(DECOMPRESS)}, or not at all"
# What reading a damaged file raises.
_DAMAGE = (OSError, EOFError, zlib.error, zstd.ZstdError)
# The white space among them (tab, form feed, ...) separates words.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_BOM = "\ufeff"


@contextlib.contextmanager
def open_stream(path: str, *damage: type[Exception]) -> Iterator[BinaryIO]:
  """Opens a file of text, decompressed if its name says so.

  Errors are as of `readable`; what is no text is a `UserError`, too.
  """
  with open_bytes(path, *damage) as stream:
    text_bytes.require_text(
      stream.read(text_bytes.HEAD), "input", path, f" ({_NAMES})"
    )
    stream.seek(0)
    yield stream


@contextlib.contextmanager
def open_bytes(path: str, *damage: type[Exception]) -> Iterator[BinaryIO]:
  """Opens a file of any content; otherwise as `open_stream`."""
  decompress = DECOMPRESS.get(os.path.splitext(path)[1])
  with readable(path, *damage), files.open_binary(path) as file:
    yield io.BufferedReader(decompress(file)) if decompress else file


@contextlib.contextmanager
def readable(path: str, *damage: type[Exception]) -> Iterator[None]:
  """Turns what files, archives and `damage` raise into a `UserError`."""
  try:
    yield
  except errors.UserError:
    raise
  except (*_DAMAGE, *damage) as error:
    reason = " ".join(str(error).split())
    raise errors.UserError(
      f"input must be a readable file. Received: {path!r} "
      f"({type(error).__name__}: {reason})"
    ) from error


class TextCare:
  """Cleans lines and documents, and counts by name what happened."""

  def __init__(self):
    self.counts = collections.Counter(dict.fromkeys(COUNTERS, 0))

  def decode(self, line: bytes) -> str:
    """Returns a line as text; wrong bytes become U+FFFD."""
    if line.endswith(b"\r\n"):
      self.counts["crlf_lines"] += 1
    try:
      return line.decode("utf-8")
    except UnicodeDecodeError:
      self.counts["invalid_utf8_lines"] += 1
      return line.decode("utf-8", "replace")

  def clean(self, text: str) -> str:
    """Returns text with single spaces and without control characters.

    >>> TextCare().clean(" one\\ttwo\\x00 ")
    'one two'
    """
    stripped = text.strip()
    # Python calls no white space printable but the space: most lines end here.
    if stripped.isprintable() and "  " not in stripped:
      return stripped
    if not text.isascii():
      text = self._clean_unicode(text)
    text, removed = _CONTROL.subn("", text)
    self.counts["control_characters"] += removed
    return " ".join(text.split())

  def clean_part(self, line: "Line") -> str:
    """Returns a line, or a part of one, as clean text."""
    self.counts["cut_lines"] += not line.is_last
    return self.clean(self.decode(line.raw))

  def accepts(self, document: list[str]) -> bool:
    """Says whether a document of clean sentences has more than one word."""
    number = sum(map(words.number_of_words, document[:2]))
    if number > 1:
      self.counts["documents"] += 1
      return True
    self.counts["one_word_documents" if number else "empty_documents"] += 1
    return False

  def _clean_unicode(self, text: str) -> str:
    if _BOM in text:
      self.counts["byte_order_marks"] += text.count(_BOM)
      text = text.replace(_BOM, "")
    text, wrong = plain_text.SURROGATE.subn(plain_text.REPLACEMENT, text)
    self.counts["invalid_utf8_lines"] += wrong > 0
    return text


class Line(NamedTuple):
  """A line that starts at byte `start`, or a part; `raw` has the line break."""

  start: int
  raw: bytes
  is_first: bool = True
  is_last: bool = True


def read_lines(stream: BinaryIO, start: int = 0) -> Iterator[Line]:
  """Yields the lines that begin at byte `start` of the stream or later."""
  if start:
    stream.seek(start - 1)
    start -= 1
    while part := stream.readline(MAX_LINE):
      start += len(part)
      if part.endswith(b"\n"):
        break
  end, rest, is_first = start, b"", True
  while (part := rest + stream.readline(MAX_LINE - len(rest))) or not is_first:
    is_last = part.endswith(b"\n") or len(part) < MAX_LINE
    cut = len(part) if is_last else _place_to_cut(part)
    yield Line(start, part[:cut], is_first, is_last)
    rest, is_first, end = part[cut:], is_last, end + cut
    if is_last:
      start = end


def read_between(stream: BinaryIO, start: int, end: int | None):
  """Yields the lines, or parts, of lines that begin in [start, end)."""
  for line in read_lines(stream, start):
    if line.is_first and end is not None and line.start >= end:
      return
    yield line


def read_paragraphs(
  stream: BinaryIO, care: TextCare, start: int, end: int | None
) -> Iterator[str | None]:
  """Yields the clean, non-empty lines of documents, and None after each.

  Documents end at blank lines. Reading begins at byte 0, or after the first
  blank line from `start` on, and ends by the same rule, or with the file.
  """
  lines = read_lines(stream, start)
  if start and _skip_document(lines, end):
    return
  inside = False
  for line in lines:
    text = care.clean_part(line)
    if text:
      yield text
      inside = True
    elif line.is_first and line.is_last:  # blank
      if inside:
        yield None
      inside = False
      if end is not None and line.start >= end:
        return
  if inside:
    yield None


def _skip_document(lines: Iterator[Line], end: int | None) -> bool:
  """Reads to the first blank line; says whether it is beyond the end."""
  care = TextCare()  # these lines are counted elsewhere
  for line in lines:
    if not care.clean_part(line) and line.is_first and line.is_last:
      return end is not None and line.start >= end
  return True


def _place_to_cut(part: bytes) -> int:
  """Returns where to cut: after a space, or at least between characters."""
  space = part.rfind(b" ")
  if space > 0:
    return space + 1
  end = len(part)
  while end > len(part) - 4 and part[end - 1] & 0xC0 == 0x80:
    end -= 1
  if end > 1 and part[end - 1] >= 0xC0:  # the first byte of a character
    end -= 1
  return end
