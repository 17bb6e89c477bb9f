# SPDX-License-Identifier: Apache-2.0
"""Tables of text, a row an example: CSV, TSV and JSON lines with named columns.

`.csv` is read with quotes. `.tsv` is plain, as GLUE's files are: a quotation
mark is a character like any other. Errors tell the flag that gave the file.
"""

import csv
import dataclasses
import io
import json
import zlib
from collections.abc import Iterator, Sequence

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_json
from token_dropping.common import text_bytes

SUFFIXES = (".csv", ".tsv", ".jsonl")
_FIELD_LIMIT = 1 << 20  # characters; Python's own limit is 131,072
_PLAIN = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
  """The wanted values of a row, and its file and line for messages."""

  place: str
  values: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Table:
  """Rows in the order of the file, and how many short ones were left out."""

  rows: list[Row]
  short_rows: int


def read_text(path: str, name: str) -> str:
  """Returns the text of a UTF-8 file, without a byte order mark."""
  content = _read(path, name)
  text_bytes.require_text(content[: text_bytes.HEAD], name, path)
  try:
    return content.decode("utf-8-sig")
  except UnicodeDecodeError as error:
    raise errors.UserError(
      f"{name} must be UTF-8 text. Received: {path!r} ({error.reason} at byte "
      f"{error.start})"
    ) from error


def describe(path: str, name: str) -> dict:
  """Returns name, size in bytes and CRC-32 of an input file, for the card."""
  content = _read(path, name)
  return {
    "name": path.rsplit("/", 1)[-1],
    "bytes": len(content),
    "crc32": f"{zlib.crc32(content):08x}",
  }


def _read(path: str, name: str) -> bytes:
  try:
    return files.read(path)
  except OSError as error:
    raise errors.UserError(
      f"{name} must be a readable file. Received: {path!r}"
    ) from error


def column_names(path: str, name: str) -> list[str]:
  """Returns the columns of a file, from its header or its first object."""
  for _, fields in _lines(path, name, None):
    return list(fields)
  raise _empty(path, name)


def read_table(
  path: str,
  name: str,
  columns: Sequence[str],
  header: Sequence[str] | None = None,
  skip_short_rows: bool = False,
) -> Table:
  """Reads some columns; `header` has all if the file does not begin with them.

  Rows that lack a wanted column are an error, unless `skip_short_rows`.
  """
  rows: list[Row] = []
  short = 0
  for line, fields in _lines(path, name, header):
    errors.require(
      all(column in fields for column in columns),
      f"{name} must have the columns {', '.join(columns)}",
      f"{path!r} with {errors.shorten(', '.join(fields))}",
    )
    if not line:
      continue
    values = tuple(fields[column] for column in columns)
    place = f"{path}, line {line}"
    if None not in values:
      rows.append(Row(place, values))
    elif skip_short_rows:
      short += 1
    else:
      raise errors.UserError(
        f"every row of {name} must have a text or number in the column "
        f"{columns[values.index(None)]}. Received: {place}, without one"
      )
  if not rows:
    raise _empty(path, name)
  return Table(rows, short)


def _empty(path: str, name: str) -> errors.UserError:
  return errors.UserError(
    f"{name} must hold at least one row. Received: {path!r} without any"
  )


def _lines(
  path: str, name: str, header: Sequence[str] | None
) -> Iterator[tuple[int, dict[str, str | None]]]:
  """Yields line numbers and fields; first the header's names, as line 0."""
  text = read_text(path, name)
  if path.endswith(".jsonl"):
    yield from _json_lines(text, path, name)
  else:
    errors.require(
      path.endswith((".csv", ".tsv")),
      f"{name} must end in {', '.join(SUFFIXES)}",
      repr(path),
    )
    yield from _separated_lines(text, path, name, header)


def _separated_lines(text, path, name, header):
  style = {} if path.endswith(".csv") else _PLAIN
  csv.field_size_limit(_FIELD_LIMIT)
  reader = csv.reader(io.StringIO(text, newline=""), **style)
  try:
    names = header or next(reader, None)
    if names is None:
      return
    yield 0, dict.fromkeys(names)
    for fields in filter(None, reader):  # no blank lines
      errors.require(
        len(fields) <= len(names),
        f"every row of {name} must have at most as many fields as there are "
        f"columns ({len(names)})",
        f"{len(fields)} in {path}, line {reader.line_num}",
      )
      missing = [None] * (len(names) - len(fields))
      yield reader.line_num, dict(zip(names, fields + missing, strict=True))
  except csv.Error as error:
    raise errors.UserError(
      f"{name} must be a table that Python's csv module reads. Received: "
      f"{path!r} ({error} in line {reader.line_num})"
    ) from error


def _json_lines(text, path, name):
  for number, line in enumerate(text.split("\n"), 1):
    if not line.strip():
      continue
    try:
      content = plain_json.loads(line)
      problem = f", {errors.shorten(content)}"
    except ValueError as error:
      content, problem = None, f" ({error})"
    errors.require(
      isinstance(content, dict),
      f"every line of {name} must be a JSON object",
      f"{path}, line {number}{problem}",
    )
    yield number, {key: _as_text(value) for key, value in content.items()}


def _as_text(value) -> str | None:
  """Returns a JSON scalar as text; None for anything else."""
  if isinstance(value, str):
    return value
  return json.dumps(value) if isinstance(value, bool | int | float) else None
