# SPDX-License-Identifier: Apache-2.0
"""Tests of what is read as pairs."""

import gzip

import polib
import pytest
import tensorflow_datasets as tfds

from tests import prepare_pairs_testing
from tests import testing
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.pairs import bitext
from token_dropping.data.pretraining.pairs import catalogues
from token_dropping.data.pretraining.pairs import pair_inputs


def _read(path, content: bytes | None = None, **changes) -> list:
  """Returns the pairs of a file, which may have to be written, and counters."""
  if content is not None:
    path.write_bytes(content)
  settings = prepare_pairs_testing.settings("out", input=str(path), **changes)
  care = text_lines.TextCare()
  (task,) = pair_inputs.Inputs.find(settings).plan(1000)
  pairs = [*bitext.read_pairs(task[0], settings, care)]
  return pairs, {name: n for name, n in care.counts.items() if n}


def test_aligned_lines(tmp_path):
  (tmp_path / "a.en").write_bytes("\ufeffone\r\n\r\ntwo\n three\n\n".encode())
  (tmp_path / "a.de.gz").write_bytes(gzip.compress(b"eins\n\nzwei\n\nvier\n"))
  paths = f"{tmp_path}/a.en", f"{tmp_path}/a.de.gz"
  pairs, _ = _read("", source_input=paths[0], target_input=paths[1])
  assert pairs == [
    *(("one", "eins"), None, ("two", "zwei"), (" three", ""), ("", "vier")),
    None,
  ]


def test_a_table(tmp_path):
  content = "1\tone\teins\n2\ttwo\tzwei\tmore\n\nthree\n"
  pairs, counts = _read(
    tmp_path / "a.tsv", content.encode(), source_column=3, target_column=2
  )
  assert pairs == [("eins", "one"), ("zwei", "two"), None, None]
  assert counts == {"lines_without_pair": 1}


def test_json_lines(tmp_path):
  content = """
    {"en": "one", "de": "eins"}
    {"translation": {"en_US": "two", "de": "zwei", "fr": "deux"}}

    {"document": 2, "en": "three", "de": "drei"}
    {"document": 2, "en": "four", "fr": "quatre"}
    {"document": 3, "en": "five", "de": 5}
    [6]
    {"""
  pairs, counts = _read(tmp_path / "a.jsonl", content.encode())
  assert pairs == [
    *(("one", "eins"), ("two", "zwei"), None, ("three", "drei"), None, None)
  ]
  assert counts == {"other_languages": 2, "bad_json_lines": 2}


def test_a_translation_memory(tmp_path):
  content = """<?xml version="1.0" encoding="utf-8"?>
    <tmx version="1.4"><header><note>one</note></header><body>
    <tu><prop>x</prop>
      <tuv xml:lang="EN-US"><seg>a <bpt i="1">&lt;b&gt;</bpt>big<ept i="1"/>
        cat</seg></tuv>
      <tuv lang="de_AT"><seg>eine <hi>große</hi> Katze</seg></tuv></tu>
    <tu><tuv xml:lang="en"><seg>one</seg></tuv></tu>
    <tu><tuv xml:lang="en"/><tuv xml:lang="de"><seg>leer</seg></tuv></tu>
    </body></tmx>"""
  pairs, counts = _read(tmp_path / "a.tmx", content.encode())
  (big, *rest) = pairs
  assert (" ".join(big[0].split()), big[1]) == ("a big cat", "eine große Katze")
  assert (rest, counts) == ([("", "leer"), None], {"other_languages": 1})
  message = testing.refused(_read, tmp_path / "b.tmx", b"<tmx><body><tu>")
  assert message.startswith("input must be a readable file. Received: ")
  assert "b.tmx' (ParseError: " in message
  for name in ("klingon", "utf-32"):
    head = f'<?xml version="1.0" encoding="{name}"?><tmx/>'
    assert "c.tmx'" in testing.refused(_read, tmp_path / "c.tmx", head.encode())


PO = """
msgid ""
msgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"

msgid "one"
msgstr "schön"

msgid "a file"
msgid_plural "files"
msgstr[0] "eine Datei"
msgstr[1] "Dateien"

#, fuzzy
msgid "two"
msgstr "drei"

msgid "four"
msgstr ""

#~ msgid "old"
#~ msgstr "alt"
"""
MESSAGES = {("one", "schön"), ("a file", "eine Datei"), ("files", "Dateien")}


def test_catalogues(tmp_path):
  """The language is that of the path; those of others are counted."""
  folder = tmp_path / "locale" / "de" / "LC_MESSAGES"
  folder.mkdir(parents=True)
  pairs, counts = _read(folder / "app.po", PO.encode("latin-1"))
  assert ({*pairs[:-1]}, pairs[-1], counts) == (MESSAGES, None, {})
  polib.pofile(str(folder / "app.po")).save_as_mofile(str(folder / "app.mo"))
  assert {*_read(folder / "app.mo")[0]} == {*MESSAGES, None}
  backwards = {"source_language": "de", "target_language": "en"}
  turned = {(de, en) for en, de in MESSAGES}
  assert {*_read(folder / "app.mo", **backwards)[0]} == {*turned, None}
  other = {"target_language": "fr"}
  assert _read(folder / "app.mo", **other) == ([None], {"other_languages": 1})
  assert catalogues.read(str(folder / "app.po"), "po").language == "de"
  whole = (folder / "app.mo").read_bytes()
  for content in (b"nothing", b"", whole[:20], whole[:-9]):
    message = testing.refused(_read, tmp_path / "de.mo", content)
    assert message.startswith("input must be a readable file. Received: ")


def test_a_set_of_tensorflow_datasets():
  with tfds.testing.mock_data(num_examples=5):
    pairs = [
      *tfds_text.read_translations(
        "wmt14_translate/de-en:train", ("de", "en"), 0, 1
      )
    ]
    assert len(pairs) == 5 and all(map(all, pairs))


@pytest.mark.parametrize(("en", "de"), [(2, 3), (3, 2)])
def test_files_of_different_length(tmp_path, en, de):
  (tmp_path / "en").write_text("x\n" * en)
  (tmp_path / "de").write_text("y\n" * de)
  named = {"source_input": f"{tmp_path}/en", "target_input": f"{tmp_path}/de"}
  assert testing.refused(_read, "", **named) == (
    "source_input and target_input must have as many lines in each file. "
    f"Received: {en} in {tmp_path}/en and {de} in {tmp_path}/de"
  )
