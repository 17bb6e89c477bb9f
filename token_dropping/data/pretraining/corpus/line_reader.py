# SPDX-License-Identifier: Apache-2.0
"""Lines of a stream, whatever their length, and documents of lines.

A file is cut at byte positions that are chosen without looking into it. Each
reader moves both of its ends forward to the next boundary by the same rule, so
that every document is read exactly once.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from token_dropping.data.pretraining.corpus import text_care

MAX_LINE = 1 << 20  # bytes in memory; a longer line is read in parts


class Line(NamedTuple):
  """A line, or a part of one.

  Attributes:
    start: int, byte position of the line.
    raw: bytes with the line break.
    is_first: whether the part begins the line.
    is_last: whether the part ends it.
  """

  start: int
  raw: bytes
  is_first: bool = True
  is_last: bool = True


def read_lines(stream: BinaryIO, start: int = 0) -> Iterator[Line]:
  """Yields the lines from the first one that begins at `start` or later.

  Args:
    stream: at its beginning if `start` is 0, else seekable.
    start: int, default 0: byte position.
  """
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


def read_paragraphs(
  stream: BinaryIO, care: text_care.TextCare, start: int, end: int | None
) -> Iterator[str | None]:
  """Yields the lines of documents that end at blank lines.

  Args:
    stream: text.
    care: cleans it.
    start: int, 0 or a byte position: reading begins after the first blank line
      from there on.
    end: int or None: likewise where it ends; None is the end of the file.

  Yields:
    Clean lines that are not empty; None after the last one of a document.
  """
  lines = read_lines(stream, start)
  if start and _skip_document(lines, end):
    return
  inside = False
  for line in lines:
    text = care.clean(care.decode(line.raw))
    if not line.is_last:
      care.counts["cut_lines"] += 1
    if text:
      yield text
      inside = True
    elif _is_blank(line, text):
      if inside:
        yield None
      inside = False
      if end is not None and line.start >= end:
        return
  if inside:
    yield None


def _skip_document(lines: Iterator[Line], end: int | None) -> bool:
  """Reads to the first blank line; says whether it is beyond the end."""
  care = text_care.TextCare()  # these lines are counted elsewhere
  for line in lines:
    if _is_blank(line, care.clean(care.decode(line.raw))):
      return end is not None and line.start >= end
  return True


def read_between(
  stream: BinaryIO, start: int, end: int | None
) -> Iterator[Line]:
  """Yields the lines, or parts, of lines that begin in [start, end)."""
  inside = True
  for line in read_lines(stream, start):
    if line.is_first:
      inside = end is None or line.start < end
    if not inside:
      return
    yield line


def _is_blank(line: Line, text: str) -> bool:
  return not text and line.is_first and line.is_last


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
