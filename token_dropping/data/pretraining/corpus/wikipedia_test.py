# SPDX-License-Identifier: Apache-2.0
"""Tests of dumps, and of the prose and sentences made of them."""

import builtins
import bz2
import itertools

import pytest

from token_dropping.common import errors
from token_dropping.data.pretraining.corpus import wikipedia

_NAMESPACE = "http://www.mediawiki.org/xml/export-0.10/"
_PROSE = "'''Ada''' was a [[mathematician|great mathematician]]. She wrote it."


def _page(title, text, namespace=0, redirect=False):
  mark = '<redirect title="Ada" />' if redirect else ""
  return (
    f"<page><title>{title}</title><ns>{namespace}</ns><id>1</id>{mark}"
    f"<revision><text>{text}</text></revision></page>"
  )


def _dump(*pages):
  return (
    f'<mediawiki xmlns="{_NAMESPACE}"><siteinfo></siteinfo>'
    f"{''.join(pages)}</mediawiki>"
  ).encode()


@pytest.fixture(params=["dump.xml", "dump.xml.bz2"])
def dump(request, tmp_path):
  pages = [
    _page("Ada", _PROSE),
    _page("Lady Ada", _PROSE, redirect=True),
    _page("Talk:Ada", _PROSE, namespace=1),
    _page("Empty", ""),
  ]
  path = tmp_path / request.param
  content = _dump(*pages)
  path.write_bytes(bz2.compress(content) if path.suffix == ".bz2" else content)
  return str(path)


def test_only_articles_with_prose_are_read(dump):
  assert list(wikipedia.read_articles(dump)) == [
    ["Ada was a great mathematician. She wrote it."],
  ]


def test_stripes_share_the_articles(dump):
  stripes = [list(wikipedia.read_articles(dump, i, 3)) for i in range(3)]
  assert [len(stripe) for stripe in stripes] == [1, 0, 0]


@pytest.mark.parametrize("suffix", [".txt", ".txt.bz2"])
def test_other_text_is_no_dump(tmp_path, suffix):
  path = tmp_path / f"text{suffix}"
  compress = bz2.compress if suffix == ".txt.bz2" else bytes
  path.write_bytes(compress(b"About tags."))
  with pytest.raises(errors.UserError, match="must be a Wikipedia XML dump"):
    list(wikipedia.read_articles(str(path)))


def test_embedded_dump_has_clean_articles():
  path = wikipedia.embedded_dump()
  first, second = itertools.islice(wikipedia.read_articles(path), 2)
  assert first[0].startswith("Anarchism is a political philosophy")
  assert second[0].startswith("Autism is a neurodevelopmental disorder")
  assert not [s for s in first + second if "==" in s or "''" in s or "[" in s]


@pytest.mark.parametrize("content", [b"no bzip2 at all", b"BZh9 nor this", b""])
def test_corrupt_bz2(tmp_path, content):
  path = tmp_path / "dump.bz2"
  path.write_bytes(content)
  with pytest.raises(errors.UserError, match=r"Received: .*dump\.bz2"):
    list(wikipedia.read_articles(str(path)))


@pytest.mark.parametrize("damage", ["cut", "not xml", "other namespace"])
def test_dump_that_breaks_off(tmp_path, damage):
  content = _dump(*[_page(f"Ada {i}", _PROSE) for i in range(50)])
  if damage == "not xml":
    content = content[:-20] + b"<"
  elif damage == "other namespace":
    content = content.replace(_NAMESPACE.encode(), b"http://other/")
  compressed = bz2.compress(content)
  path = tmp_path / "dump.xml.bz2"
  path.write_bytes(compressed[:-30] if damage == "cut" else compressed)
  with pytest.raises(errors.UserError, match="must be a readable file") as info:
    list(wikipedia.read_articles(str(path)))
  assert "\n" not in str(info.value)


def test_missing_gensim_is_a_user_error(monkeypatch):
  original = builtins.__import__

  def refuse(name, *args, **kwargs):
    if name.startswith("gensim"):
      raise ImportError("No module named 'gensim'")
    return original(name, *args, **kwargs)

  monkeypatch.setattr(builtins, "__import__", refuse)
  with pytest.raises(errors.UserError, match=r"token-dropping\[quickstart\]"):
    wikipedia.embedded_dump()


# Prose and sentences.


@pytest.mark.parametrize(
  ("line", "expected"),
  [
    ("* ''One'' '''two''' three four five.", "One two three four five."),
    ("#: One two three four five.", "One two three four five."),
    ('Ada ( ; , "x") was here ( ) today .', 'Ada ("x") was here today.'),
    ("From the Greek , i.e. one () two.", "From the Greek, i.e. one two."),
    ("See http://a.b/c?d for one, two words.", "See for one, two words."),
    (
      "He waited ... for a very long time.",
      "He waited ... for a very long time.",
    ),
  ],
)
def test_marks_and_holes_are_removed(line, expected):
  assert wikipedia.clean_text(line) == [expected]


@pytest.mark.parametrize(
  "line",
  [
    "== Heading of five good words. ==",
    "Only four words here.",
    "A table cell or a caption without an end",
    "File:a.jpg|A caption that ends like a sentence.",
    "",
  ],
)
def test_lines_that_are_not_prose_are_dropped(line):
  assert wikipedia.clean_text(line) == []


def test_reference_sections_are_dropped_with_their_subsections():
  sentence = "This line has exactly six words."
  headings = ("==Life==", "==References==", "===More===", "==Work==")
  text = "\n".join(f"{heading}\n{sentence}" for heading in headings)
  assert wikipedia.clean_text(text) == [sentence, sentence]


@pytest.mark.parametrize(
  ("paragraph", "expected"),
  [
    ("One. Two! Three? 4.", ["One.", "Two!", "Three?", "4."]),
    ("He said no. (She did.) So", ["He said no.", "(She did.)", "So"]),
    ("By J. Doe et al. in 1900.", ["By J. Doe et al. in 1900."]),
    ("Version 1.2 is out.", ["Version 1.2 is out."]),
    ("Et moi. Émile aussi.", ["Et moi.", "Émile aussi."]),
  ],
)
def test_split_sentences(paragraph, expected):
  assert wikipedia.split_sentences(paragraph) == expected
