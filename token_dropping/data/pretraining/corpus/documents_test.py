# SPDX-License-Identifier: Apache-2.0
"""Tests for documents."""

import bz2
import gzip
import json

import pytest
from backports import zstd

from tests import testing
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining.corpus import documents
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines

COMPRESS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}
COMPRESS[".zst"] = zstd.compress
TEXT = "a one\n\n \n b\ttwo \r\nb three\n\n\nc four\n"
DOCUMENTS = [["a one"], ["b two", "b three"], ["c four"]]


def _read(path, care=None, **values):
  settings = prepare_settings.PrepareSettings(output_dir="out", **values)
  sizes = input_plan.resolve_inputs(str(path))
  care = care or text_lines.TextCare()
  return [
    document
    for task in input_plan.plan(sizes, settings)
    for part in task
    for document in documents.read_documents(part, settings, care)
  ]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_text(tmp_path, suffix):
  path = tmp_path / f"text.txt{suffix}"
  parts = TEXT.encode().partition(b"w")  # one after the other, as `cat` does
  path.write_bytes(b"".join(map(COMPRESS[suffix], parts)))
  assert _read(path) == DOCUMENTS
  if suffix:
    for damaged in (COMPRESS[suffix](TEXT.encode() * 1000)[:-5], b"no archive"):
      path.write_bytes(damaged)
      rule = f"input must be a readable file. Received: {str(path)!r} ("
      assert testing.refused(_read, path).startswith(rule)


def test_what_is_no_text_is_refused_compressed_or_not(tmp_path):
  archive = gzip.compress(TEXT.encode())
  for name, content in {
    "a.txt": archive,
    "a.jsonl": archive,
    "a.txt.gz": gzip.compress(archive),
    "a.txt.bz2": bz2.compress(TEXT.encode("utf-16")),
  }.items():
    path = tmp_path / name
    path.write_bytes(content)
    assert testing.refused(_read, path).startswith(
      "input must be UTF-8 text (compressed with a name in .gz, .bz2, .zst, or "
      f"not at all). Received: {str(path)!r}, which seems to be "
    )


def test_every_kind_of_file_is_known_by_its_name(tmp_path):
  dump = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/"><page>'
    "<title>c</title><ns>0</ns><id>1</id><revision><text>This is one of the "
    "articles.</text></revision></page></mediawiki>"
  )
  contents = {
    "a.txt.gz": b"a one\n",
    "b.jsonl.zst": b'{"text": "b two"}',
    "c.xml.bz2": dump.encode(),
  }
  for name, content in contents.items():
    compress = COMPRESS[f".{name.rpartition('.')[2]}"]
    (tmp_path / name).write_bytes(compress(content))
  assert _read(tmp_path / "?.*") == (
    [["a one"], ["b two"], ["This is one of the articles."]]
  )


def test_document_per_file(tmp_path):
  (tmp_path / "a.txt").write_text(TEXT)
  (tmp_path / "b.txt").write_text("d five")
  assert _read(tmp_path / "*.txt", document_per_file=True) == [
    ["a one", "b two", "b three", "c four"],
    ["d five"],
  ]


def test_document_per_line(tmp_path):
  (tmp_path / "a.txt").write_text("One sentence. Two more.\n\nb two")
  care = text_lines.TextCare()
  found = _read(tmp_path / "a.txt", care, document_per_line=True)
  assert found == [["One sentence.", "Two more."], ["b two"]]
  assert care.counts["empty_documents"] == 1


def test_json_lines(tmp_path, monkeypatch):
  monkeypatch.setattr(documents, "MAX_JSON_LINE", 100)
  lines = [
    json.dumps({"body": "word " * 50}),  # too long
    json.dumps({"body": "One here. Two here.\nThree here."}),
    "{not json",
    json.dumps({"text": "other field"}),
    json.dumps(["no object"]),
    json.dumps({"body": 3}),
    "",
    json.dumps({"body": "a \ud800 surrogate"}),
  ]
  (tmp_path / "a.jsonl").write_text("\n".join(lines))
  care = text_lines.TextCare()
  assert _read(tmp_path / "a.jsonl", care, text_field="body") == [
    ["One here.", "Two here.", "Three here."],
    ["a \ufffd surrogate"],
  ]
  assert care.counts["bad_json_lines"] == 2
  assert care.counts["lines_without_text"] == 3


def test_text_field_that_no_line_has():
  counts = {"documents": 0, "lines_without_text": 3, "bad_json_lines": 1}
  settings = prepare_settings.PrepareSettings(output_dir="out")
  message = testing.refused(documents.check_counts, counts, settings)
  assert message == (
    "input of JSON lines must have an object in every line, whose text field "
    "--text_field=text names. Received: 3 lines without it, 1 that are no JSON"
  )


@pytest.mark.parametrize("per_line", [False, True])
def test_cuts_lose_and_double_nothing(tmp_path, monkeypatch, per_line):
  path = tmp_path / "text.txt"
  path.write_bytes(f"\n\n{TEXT}\n\n\nlast ä\n\n".encode())
  values = {"piece_bytes": 1_000_000, "document_per_line": per_line}
  whole_care = text_lines.TextCare()
  whole = _read(path, whole_care, **values)
  for target in range(1, 60, 3):
    monkeypatch.setattr(input_plan, "_RANGE_SHARE", target / 1_000_000)
    care = text_lines.TextCare()
    assert _read(path, care, **values) == whole
    assert care.counts == whole_care.counts


def test_a_long_line_is_read_in_parts(tmp_path, monkeypatch):
  monkeypatch.setattr(text_lines, "MAX_LINE", 16)
  words = [f"wörd{i}" for i in range(40)]
  (tmp_path / "a.txt").write_text(" ".join(words) + "\n\nb two\n")
  care = text_lines.TextCare()
  first, second = _read(tmp_path / "a.txt", care)
  assert " ".join(first).split() == words
  assert second == ["b two"]
  assert care.counts["cut_lines"] == len(first) - 1
  assert care.counts["invalid_utf8_lines"] == 0


def test_a_long_word_is_cut_between_characters(tmp_path, monkeypatch):
  monkeypatch.setattr(text_lines, "MAX_LINE", 8)
  for word in ("ä" * 50, "x" + "€" * 50, "😀" * 20):
    (tmp_path / "a.txt").write_text(f"{word} b")
    care = text_lines.TextCare()
    (document,) = _read(tmp_path / "a.txt", care)
    assert "".join(document).replace(" ", "") == f"{word}b"
    assert care.counts["invalid_utf8_lines"] == 0


def test_long_documents_are_cut(tmp_path):
  (tmp_path / "a.txt").write_text("ten bytes!\n" * 1000)
  care = text_lines.TextCare()
  found = _read(tmp_path / "a.txt", care, piece_bytes=1000)
  assert sum(len(document) for document in found) == 1000
  assert max(len(document) for document in found) <= 100
  assert care.counts["cut_documents"] == len(found) - 1
  assert care.counts["documents"] == len(found)
