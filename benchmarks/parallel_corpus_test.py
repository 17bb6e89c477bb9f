# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmarks' pairs, without fetching any."""

import json
import zipfile

import polib
import pytest

from benchmarks import packages
from benchmarks import parallel_corpus
from tests import testing


@pytest.fixture
def wheel(tmp_path):
  catalogue = polib.POFile()
  catalogue.append(polib.POEntry(msgid="two\n lines", msgstr="zwei\tZeilen"))
  compiled = catalogue.to_binary()
  digest = "-" + "0" * 32
  with zipfile.ZipFile(tmp_path / "p.whl", "w") as archive:
    archive.writestr("a/en.json", json.dumps({"x": {"y": "one"}, "z": "no"}))
    archive.writestr("a/de.json", json.dumps({"x": {"y": "eins"}, "z": 5}))
    archive.writestr(f"b/en{digest}.json", json.dumps({"x": "cat"}))
    archive.writestr(f"b/de{digest}.json", json.dumps({"x": "Katze"}))
    archive.writestr("c/de.json", json.dumps({"x": "allein"}))
    archive.writestr("d/de/LC_MESSAGES/d.po", str(catalogue))
    archive.writestr("d/de/LC_MESSAGES/d.mo", compiled)
    archive.writestr("d/de/LC_MESSAGES/e.mo", compiled)
    archive.writestr("d/fr/LC_MESSAGES/e.mo", compiled)
  return tmp_path / "p.whl"


def test_trees_and_catalogues_of_a_wheel(wheel):
  lines = ("two\n lines", "zwei\tZeilen")
  assert list(parallel_corpus.read_wheel(wheel)) == [
    *([("one", "eins")], [("cat", "Katze")], [lines], [lines])
  ]


def test_a_table_of_another_digest_is_refused(wheel, tmp_path, monkeypatch):
  monkeypatch.setattr(packages, "download", lambda *_: wheel)
  message = testing.refused(parallel_corpus.fetch, "django", str(tmp_path))
  assert message.startswith("the pairs of django must have the SHA-256 c21170")
  digest = message.split()[-1]
  monkeypatch.setitem(parallel_corpus.DIGESTS, "django", digest)
  path = parallel_corpus.fetch("django", str(tmp_path))
  with open(path) as file:
    assert file.read() == (
      "one\teins\n\ncat\tKatze\n\n" + "two lines\tzwei Zeilen\n\n" * 2
    )
  monkeypatch.setattr(packages, "download", None)  # it is there already
  assert parallel_corpus.fetch("django", str(tmp_path)) == path


def test_names_of_no_package_are_refused():
  parallel_corpus.check_names(["django", "spyder"])
  message = testing.refused(parallel_corpus.check_names, ["django", "none"])
  assert message.startswith("--corpus must be some of homeassistant, frontend")
  assert message.endswith("Received: django,none")
