# SPDX-License-Identifier: Apache-2.0
"""Text of users: what it may hold, and lines, which end at line feeds alone.

`str.splitlines` and text files of Python also end them at carriage returns,
form feeds, U+0085, U+2028 and others, which may stand in a name.
"""

import re
from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.common import text_bytes

SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"
_MARK = "\ufeff"  # of the byte order, in front of a file


def replace_surrogates(text: str) -> str:
  """Returns text that UTF-8 can hold: each lone surrogate becomes U+FFFD.

  JSON escapes (`"\\ud83d"`) and arguments of commands may have them.

  >>> replace_surrogates("a\\ud83d") == "a\\ufffd"
  True
  """
  return SURROGATE.sub(REPLACEMENT, text)


def decode(content: bytes, name: str, path: str, whole: bool = True) -> str:
  """Returns UTF-8 text without its byte order mark and lone surrogates.

  Otherwise it is as `text_bytes.decode`.
  """
  text = text_bytes.decode(content, name, path, "surrogatepass", whole)
  return replace_surrogates(text.removeprefix(_MARK))


def split_lines(text: str) -> list[str]:
  r"""Returns the lines of a file, of which the last may lack its line feed.

  >>> split_lines("a\u2028b\r\nc\n")
  ['a\u2028b', 'c']
  """
  lines = [line.removesuffix("\r") for line in text.split("\n")]
  return lines if lines[-1] else lines[:-1]


def check_line(line: str, name: str, where: str) -> None:
  """Refuses, as `name`, what cannot be a line of a file, or shows nothing."""
  shows = any(c.isprintable() and not c.isspace() for c in line)
  errors.require(
    shows and not {"\n", "\r"} & set(line) and line[0] != _MARK,
    f"{name} must be one line of text, not empty, without a byte-order mark",
    f"{errors.shorten(line)}{where}",
  )


def join_lines(lines: Iterable[str], name: str) -> str:
  """Returns the file from which `split_lines` reads such lines."""
  for line in lines:
    check_line(line, name, "")
  return "".join(f"{line}\n" for line in lines)
