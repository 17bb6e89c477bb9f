# SPDX-License-Identifier: Apache-2.0
"""Tests of text and lines."""

import pytest

from tests import testing
from token_dropping.common import plain_text

# Where `str.splitlines` ends a line, besides line feed and carriage return.
OTHER_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize(
  ("content", "text"),
  [
    ("é".encode(), "é"),
    (b"\xef\xbb\xbfa\xef\xbb\xbf", "a\ufeff"),  # a mark in front only
    (b"a\xed\xa0\xbdb", "a\ufffdb"),  # a surrogate
    (b"", ""),
  ],
)
def test_decoding(content, text):
  assert plain_text.decode(content, "file", "a.txt") == text


def test_bytes_that_are_no_text():
  rule = "file must be UTF-8 text. Received: 'a.txt'"
  for content in (b"ab\xe9", b"ab\xff"):
    message = testing.refused(plain_text.decode, content, "file", "a.txt")
    assert message.startswith(rule) and message.endswith("at byte 2)")
  # The end of a part may be inside a character; its middle may not.
  assert plain_text.decode(b"ab\xc3", "file", "a.txt", whole=False) == "ab"
  message = testing.refused(plain_text.decode, b"\xff", "file", "a.txt", False)
  assert message == f"{rule} (invalid start byte at byte 0)"


def test_only_line_feeds_end_lines():
  lines = [f"a{end}b" for end in OTHER_ENDS]
  text = plain_text.join_lines(lines, "labels")
  assert plain_text.split_lines(text) == lines
  assert plain_text.split_lines(text.replace("\n", "\r\n")) == lines
  assert plain_text.split_lines("a\n\nb") == ["a", "", "b"]
  assert plain_text.split_lines("") == []


@pytest.mark.parametrize(
  "line",
  [
    *("", " \t", "\u2028", "\u200b", "\ufeff", "\ufeffa", "\0"),
    *("a\nb", "a\rb", "a\r"),
  ],
)
def test_what_cannot_be_a_line(line):
  assert testing.refused(plain_text.join_lines, ["a", line], "labels") == (
    "labels must be one line of text, not empty, without a byte-order mark. "
    f"Received: {line!r}"
  )
