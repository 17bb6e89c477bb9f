# SPDX-License-Identifier: Apache-2.0
"""Tests for documents."""

import bz2

import pytest

from token_dropping import errors
from token_dropping.data import documents
from token_dropping.data import wikipedia


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "b.txt").write_text("b one\n\n \n b\ttwo \r\nb three\n")
  (tmp_path / "a.txt").write_text("\ufeffa one\n\na two")
  (tmp_path / "sub").mkdir()
  return tmp_path


def test_inputs_are_sorted_and_named_once(folder):
  found = documents.resolve_inputs(f"{folder}/b.txt, {folder}/*,")
  assert found == [f"{folder}/b.txt", f"{folder}/a.txt"]


def test_a_name_with_glob_characters_is_a_name(tmp_path):
  (tmp_path / "a[1].txt").write_text("text")
  assert documents.resolve_inputs(f"{tmp_path}/a[1].txt")


def test_embedded_input():
  assert documents.resolve_inputs("gensim:enwiki") == [
    wikipedia.embedded_dump()
  ]


@pytest.mark.parametrize("pattern", ["none.txt", "none*", "sub"])
def test_pattern_without_file(folder, pattern):
  with pytest.raises(errors.UserError, match="match at least one file") as info:
    documents.resolve_inputs(f"{folder}/a.txt,{folder}/{pattern}")
  assert str(info.value).endswith(f"Received: '{folder}/{pattern}'")


def test_only_commas():
  with pytest.raises(errors.UserError, match="name at least one file"):
    documents.resolve_inputs(" ,")


def test_blank_lines_separate_documents(folder):
  paths = [f"{folder}/b.txt", f"{folder}/a.txt"]
  assert list(documents.read_documents(paths)) == [
    ["b one"],
    ["b two", "b three"],
    ["a one"],
    ["a two"],
  ]


def test_document_per_file(folder):
  paths = [f"{folder}/b.txt", f"{folder}/a.txt"]
  assert list(documents.read_documents(paths, document_per_file=True)) == [
    ["b one", "b two", "b three"],
    ["a one", "a two"],
  ]


def test_dumps_and_text_mix(folder):
  dump = folder / "dump.xml.bz2"
  dump.write_bytes(
    bz2.compress(
      b'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/"><a></a>'
      b"<page><title>A</title><ns>0</ns><id>1</id><revision><text>One two three"
      b" four five.</text></revision></page></mediawiki>"
    )
  )
  assert list(documents.read_documents([str(dump), f"{folder}/a.txt"])) == [
    ["One two three four five."],
    ["a one"],
    ["a two"],
  ]


def test_bad_utf8_names_file_and_offset(tmp_path):
  path = tmp_path / "latin.txt"
  path.write_bytes("fine é\nMünchen".encode() + b"\ncaf\xe9\n")
  offset = path.read_bytes().index(b"\xe9\n")
  with pytest.raises(errors.UserError, match="must be UTF-8 text") as info:
    list(documents.read_documents([str(path)]))
  assert str(path) in str(info.value)
  assert f"at byte {offset})" in str(info.value)


def test_unreadable_file(tmp_path):
  with pytest.raises(errors.UserError, match="must be a readable file"):
    list(documents.read_lines(str(tmp_path / "none")))
