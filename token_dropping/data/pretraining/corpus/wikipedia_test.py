# SPDX-License-Identifier: Apache-2.0
"""Tests of dumps, and of the prose and sentences made of them."""

import bz2
import itertools

import pytest

from tests import testing
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


def _refused(path):
  return testing.refused(lambda: list(wikipedia.read_articles(str(path))))


@pytest.mark.parametrize("compress", [bytes, bz2.compress])
def test_only_articles_with_prose_are_read(tmp_path, compress):
  dump = _dump(
    _page("Ada", _PROSE),
    _page("Lady Ada", _PROSE, redirect=True),
    _page("Talk:Ada", _PROSE, namespace=1),
    _page("Empty", ""),
  )
  path = tmp_path / ("dump.xml" if compress is bytes else "dump.xml.bz2")
  path.write_bytes(compress(dump))
  prose = ["Ada was a great mathematician. She wrote it."]
  assert list(wikipedia.read_articles(str(path))) == [prose]
  stripes = [list(wikipedia.read_articles(str(path), i, 3)) for i in range(3)]
  assert stripes == [[prose], [], []]


def test_other_text_is_no_dump(tmp_path):
  path = tmp_path / "text.txt.bz2"
  path.write_bytes(bz2.compress(b"About tags."))
  assert "must be a Wikipedia XML dump" in _refused(path)


def test_embedded_dump_has_clean_articles():
  path = wikipedia.embedded_dump()
  first, second = itertools.islice(wikipedia.read_articles(path), 2)
  assert first[0].startswith("Anarchism is a political philosophy")
  assert second[0].startswith("Autism is a neurodevelopmental disorder")
  assert not [s for s in first + second if "==" in s or "''" in s or "[" in s]


PAGES = _dump(*[_page(f"Ada {i}", _PROSE) for i in range(50)])


@pytest.mark.parametrize(
  "content",
  [
    b"no bzip2 at all",
    b"BZh9 nor this",
    bz2.compress(PAGES)[:-30],
    bz2.compress(PAGES[:-20] + b"<"),
    bz2.compress(PAGES.replace(_NAMESPACE.encode(), b"http://other/")),
  ],
  ids=["other", "head only", "cut", "no XML", "other namespace"],
)
def test_damaged_dump(tmp_path, content):
  path = tmp_path / "dump.xml.bz2"
  path.write_bytes(content)
  rule = f"input must be a readable file. Received: {str(path)!r} ("
  assert _refused(path).startswith(rule)


# Prose and sentences.


@pytest.mark.parametrize(
  ("line", "expected"),
  [
    ("* ''One'' '''two''' three four five.", "One two three four five."),
    ("#: One two three four five.", "One two three four five."),
    ('Ada ( ; , "x") was here ( ) today .', 'Ada ("x") was here today.'),
    ("From the Greek , i.e. one () two.", "From the Greek, i.e. one two."),
    ("See http://a.b/c?d for one, two words.", "See for one, two words."),
    ["He waited ... for a very long time."] * 2,
    ("== Heading of five good words. ==", None),
    ("Only four words here.", None),
    ("A table cell or a caption without an end", None),
    ("File:a.jpg|A caption that ends like a sentence.", None),
    ("今天天气很好。", "今天天气很好。"),
    ("天气。", None),
    ("กรุงเทพเป็นเมืองหลวง", "กรุงเทพเป็นเมืองหลวง"),
    ("", None),
  ],
)
def test_marks_holes_and_what_is_not_prose_are_removed(line, expected):
  assert wikipedia.clean_text(line) == ([expected] if expected else [])


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
    ("天气好。我去\uff01你", ["天气好。", "我去\uff01", "你"]),
    ("「去。」他说。 iPhone。", ["「去。」", "他说。", "iPhone。"]),
    ("Et moi. Émile aussi.", ["Et moi.", "Émile aussi."]),
  ],
)
def test_split_sentences(paragraph, expected):
  assert wikipedia.split_sentences(paragraph) == expected
