# SPDX-License-Identifier: Apache-2.0
"""Tables in their three forms, and what is none."""

import json
import re

import pytest

from tests import testing
from token_dropping.data.finetuning import text_tables

NAME = "train_file"
LONG = "x" * 200_000  # more than Python's own limit


def _write(tmp_path, name, text):
  path = tmp_path / name
  content = text if isinstance(text, bytes) else text.encode()
  path.write_bytes(content)
  return str(path)


CSV = 'id,text,label\r\n1,"a ""b"", c",x\r\n2,"two\nlines",y\r\n'
# What `str.splitlines` takes for ends of lines is text.
OTHER_ENDS = "a\x0bb\x0cc\x1cd\x1ee\x85f\u2028g\u2029h"
SEPARATED = [(OTHER_ENDS, OTHER_ENDS)]
ENDS = {
  "tsv": f"text\tlabel\n{OTHER_ENDS}\t{OTHER_ENDS}\n",
  "csv": f"text,label\n{OTHER_ENDS},{OTHER_ENDS}\n",
  "jsonl": json.dumps({"text": OTHER_ENDS, "label": OTHER_ENDS}),
}
JSONL = '{"text": "a\\tb", "label": 1}\n\n{"label": 2.5, "text": "c"}\n'


@pytest.mark.parametrize(
  ("name", "text", "expected"),
  [
    ("a.csv", CSV, [('a "b", c', "x"), ("two\nlines", "y")]),
    # .tsv has no quotes.
    ("a.tsv", 'label\ttext\nx\t"a, b\n', [('"a, b', "x")]),
    # .jsonl has numbers, too.
    ("a.jsonl", JSONL, [("a\tb", "1"), ("c", "2.5")]),
    # A byte order mark is no part of a name.
    ("a.tsv", "\ufefftext\tlabel\na\tx\n", [("a", "x")]),
    ("a.tsv", "text\tlabel\r\na\rb\tx\r\n", [("a\rb", "x")]),
    *((f"a.{kind}", text, SEPARATED) for kind, text in ENDS.items()),
    # Only carriage returns, as of old Macs.
    ("a.tsv", "text\tlabel\ra\tx\r", [("a", "x")]),
    ("a.csv", 'text,label\r"a",x\r', [("a", "x")]),
    # A lone surrogate, escaped and as bytes.
    ("a.jsonl", r'{"text": "a\ud83d", "label": 1}', [("a\ufffd", "1")]),
    ("a.tsv", b"text\tlabel\na\xed\xa0\xbd\tx\n", [("a\ufffd", "x")]),
    # Only wanted columns must be there once.
    ("a.csv", "text,,label,\na,b,x,d\n", [("a", "x")]),
    ("a.tsv", f"text\tlabel\n{LONG}\tx\n", [(LONG, "x")]),
  ],
)
def test_rows(tmp_path, name, text, expected):
  path = _write(tmp_path, name, text)
  table = text_tables.read_table(path, NAME, ("text", "label"))
  assert [row.values for row in table.rows] == expected


def test_names_may_be_given(tmp_path):
  path = _write(tmp_path, "a.tsv", "a\tx\nb\ty\n")
  table = text_tables.read_table(path, NAME, ("label",), ("text", "label"))
  assert [row.values for row in table.rows] == [("x",), ("y",)]


def test_places_are_lines_of_the_file(tmp_path):
  path = _write(tmp_path, "a.csv", 'text\n"two\nlines"\n\nc\n')
  rows = text_tables.read_table(path, NAME, ["text"]).rows
  assert [row.place for row in rows] == [f"{path}, line 3", f"{path}, line 5"]


def test_short_rows_are_skipped_on_request(tmp_path):
  path = _write(tmp_path, "a.tsv", "text\tlabel\na\nb\ty\n")
  table = text_tables.read_table(path, NAME, ("text", "label"), None, True)
  assert [row.values for row in table.rows] == [("b", "y")]
  assert table.short_rows == 1


@pytest.mark.parametrize(
  ("name", "text", "columns"),
  [
    ("a.csv", "text,label\n", ["text", "label"]),
    ("a.jsonl", '{"text": "a"}\n', ["text"]),
  ],
)
def test_column_names(tmp_path, name, text, columns):
  path = _write(tmp_path, name, text)
  assert text_tables.column_names(path, NAME) == columns
  empty = _write(tmp_path, name, "")
  message = testing.refused(text_tables.column_names, empty, NAME)
  assert "at least one row. Received" in message


def test_description(tmp_path):
  path = _write(tmp_path, "a.csv", "123456789")
  expected = {"name": "a.csv", "bytes": 9, "crc32": "cbf43926"}
  assert text_tables.describe(path, NAME) == expected


@pytest.mark.parametrize(
  ("name", "text", "message"),
  [
    ("a.txt", "text\na\n", "must end in .csv, .tsv, .jsonl. Received"),
    (None, "", "must be a readable file. Received: .*none.csv"),
    ("a.csv", b"text\n\xff\n", "UTF-8 text. .* at byte 5"),
    ("a.csv", "", "must hold at least one row. Received"),
    ("a.csv", "text,label\n", "must hold at least one row. Received"),
    ("a.csv", "text,x\na,b\n", "columns text, label, each once. .*'text, x'"),
    ("a.csv", "label,text,label\n", "once. Received: .*, with 'label, text, l"),
    ("a.tsv", "text\tlabel\ttext\n", "once. Received: .*line 1, with 'text, "),
    ("a.tsv", "text\tlabel\na\n", "in the column label. Received: .*line 2"),
    ("a.tsv", "text\tlabel\na\tb\tc\n", r"columns \(2\). Received: 3 in .*2"),
    ("a.csv", "text,label\na\rb,c\n", r"unquoted field in line 2\)$"),
    ("a.csv", "text,label\n" + LONG * 6, "csv module reads. Received: .*line"),
    ("a.jsonl", '{"text": "a"', "must be a JSON object. Received: .*line 1"),
    ("a.jsonl", "[1]\n", r"must be a JSON object. Received: .*line 1, \[1\]"),
    (
      "a.jsonl",
      '{"text": "a", "text": "b"}',
      r"line 1 \('text' twice in an obj",
    ),
    ("a.jsonl", '\n{"text": "a"}\n', "columns text, label, .*line 2, with 'te"),
    *(
      (
        "a.jsonl",
        f'{{"text": "a", "label": {value}}}',
        f"a text or number in the column label. Received: .*, with {shown}",
      )
      for value, shown in (
        *(("null", "None"), ("[1]", r"\[1\]"), ("{}", "{}")),
        *(("NaN", "nan"), ("1e999", "inf"), ("-Infinity", "-inf")),
      )
    ),
  ],
)
def test_bad_tables(tmp_path, name, text, message):
  path = _write(tmp_path, name, text) if name else str(tmp_path / "none.csv")
  columns = ("text", "label")
  found = testing.refused(text_tables.read_table, path, NAME, columns)
  assert re.search(message, found) and NAME in found
