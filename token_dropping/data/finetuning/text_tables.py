# SPDX-License-Identifier: Apache-2.0
"""Tables of text, a row an example: CSV, TSV and JSON lines with named columns.

`.csv` is read with quotes. `.tsv` is plain, as GLUE's files are: a quotation
mark is a character like any other. Errors tell the flag that gave the file.
"""

import csv
import dataclasses
import io
import itertools
import json
import math
import zlib
from collections.abc import Iterator, Sequence

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_json
from token_dropping.common import plain_text

SUFFIXES = (".csv", ".tsv", ".jsonl")
_FIELD_LIMIT = 1 << 20  # characters; Python's own limit is 131,072


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
  """Returns the text of a UTF-8 file, as `plain_text.decode` reads it."""
  return plain_text.decode(files.read_input(path, name), name, path)


def describe(path: str, name: str) -> dict:
  """Returns name, size in bytes and CRC-32 of an input file, for the card."""
  content = files.read_input(path, name)
  return {
    "name": plain_text.replace_surrogates(path.rsplit("/", 1)[-1]),
    "bytes": len(content),
    "crc32": f"{zlib.crc32(content):08x}",
  }


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
    place, there = f"{path}, line {line or 1}", list(fields)
    errors.require(
      all(there.count(column) == 1 for column in columns),
      f"{name} must have the columns {', '.join(columns)}, each once",
      f"{place}, with {errors.shorten(', '.join(there))}",
    )
    if not line:
      continue
    values = tuple(fields[column] for column in columns)
    wrong = [c for c in columns if not isinstance(fields[c], str)]
    if not wrong:
      rows.append(Row(place, values))
    elif skip_short_rows:
      short += 1
    else:
      value = fields[wrong[0]]
      raise errors.UserError(
        f"every row of {name} must have a text or number in the column "
        f"{wrong[0]}. Received: {place}, with {errors.shorten(value)}"
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
) -> Iterator[tuple[int, Sequence[str] | dict]]:
  """Yields line numbers and fields; first the header's names, as line 0.

  A field that is no text or number, or is missing, is no `str`.
  """
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
  if "\n" not in text:
    text = text.replace("\r", "\n")  # of an old Mac
  split = _csv_rows if path.endswith(".csv") else _tsv_rows
  rows = split(text, path, name)
  names = header or next(rows, (0, None))[1]
  if names is None:
    return
  yield 0, names
  for line, fields in rows:
    errors.require(
      len(fields) <= len(names),
      f"every row of {name} must have at most as many fields as there are "
      f"columns ({len(names)})",
      f"{len(fields)} in {path}, line {line}",
    )
    yield line, dict(itertools.zip_longest(names, fields))


def _tsv_rows(text, path, name):
  del path, name
  for number, line in enumerate(plain_text.split_lines(text), 1):
    if line:
      yield number, line.split("\t")


def _csv_rows(text, path, name):
  csv.field_size_limit(_FIELD_LIMIT)
  reader = csv.reader(io.StringIO(text, newline="\n"))
  try:
    for fields in filter(None, reader):  # no blank lines
      yield reader.line_num, fields
  except csv.Error as error:
    reason = str(error).partition(" - ")[0]  # what follows is for programmers
    raise errors.UserError(
      f"{name} must be a table that Python's csv module reads. Received: "
      f"{path!r} ({reason} in line {reader.line_num})"
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


def _as_text(value):
  """Returns a number, true or false as text; anything else as it is."""
  is_number = isinstance(value, int) or (
    isinstance(value, float) and math.isfinite(value)
  )
  return json.dumps(value) if is_number else value
