# SPDX-License-Identifier: Apache-2.0
"""Wikipedia XML dumps -> articles of prose; text -> sentences.

Dump reader and markup filter are gensim's, an optional dependency whose test
data hold a small English dump: the corpus of the quick start. What the filter
leaves besides prose, such as list marks and holes of templates, is removed by
simple rules, which lose some prose rather than keep much rubbish.
"""

import importlib.resources
import itertools
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from token_dropping.common import errors
from token_dropping.common import extras
from token_dropping.common import files
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.text import words

# Sections of an English article that hold references instead of prose.
REFERENCE_SECTIONS = (
  *("bibliography", "citations", "external links", "footnotes"),
  *("further reading", "literature", "notes", "notes and references"),
  *("references", "see also", "sources", "works cited"),
)
MIN_WORDS = 5

_HEADING = re.compile(r"^(={2,6})\s*(.*?)\s*\1$")
_LIST_MARKS = re.compile(r"^[*#:;\s]+")
# Full stops, question and exclamation marks of scripts without spaces: CJK,
# Myanmar, Khmer; of others; and what closes a quotation or bracket after them.
_UNSPACED_MARKS = "\u3002\uff01\uff1f\uff61\u104b\u17d4\u17d5"
_OTHER_MARKS = "\uff1a\uff1b\u0964\u0965\u06d4\u061f\u1362\u0589\u0f0d"
_CLOSING = "\u201d\u2019\u300d\u300f\uff09\u300b"
# Thai and Lao have no marks.
_END = re.compile(
  rf"(?:[.!?…:;{_UNSPACED_MARKS}{_OTHER_MARKS}][\"'){_CLOSING}]*"
  r"|[\u0e01-\u0eff])$"
)
_PICTURE = re.compile(r"^(?:File|Image):", re.IGNORECASE)
# A sentence ends with . ! or ? (perhaps in quotes or brackets) before a space
# and a word that starts with anything but a small ASCII letter.
_SENTENCE_BREAK = re.compile(
  r"(?:(?<=[.!?])|(?<=[.!?][\"”’')]))(?<!\b[A-Z]\.)\s+(?=[\"“‘'(]?[^\W_a-z])"
)
# Scripts without spaces have none after a sentence.
_UNSPACED_BREAK = re.compile(
  rf"(?:(?<=[{_UNSPACED_MARKS}])|(?<=[{_UNSPACED_MARKS}][{_CLOSING}]))"
  rf"\s*(?![{_UNSPACED_MARKS}{_CLOSING}\s]|$)"
)
_INLINE = (
  (re.compile(r"'{2,}"), ""),  # bold and italics
  (re.compile(r"https?://\S+"), ""),
  (re.compile(r"\|\s*(?:alt|thumb|left|right|upright)\b.*"), ""),
  (re.compile(r"\(\s*(?:[,;:]\s*)+"), "("),  # what a template leaves
  (re.compile(r"(?:[,;:]|\s)+\)"), ")"),
  (re.compile(r"\(\s*\)"), ""),
  (re.compile(r"\s+(?=[,;:](?:\s|$)|\.(?:\s|$))"), ""),
  (re.compile(r"([,;:])(?:\s*,)+"), r"\1"),
)
_EMBEDDED_FILE = (
  "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
)
_DUMP_TAG = b"<mediawiki"
_HEAD_BYTES = 4096
# What a dump that breaks off, or none, raises: a page without title or text,
# another namespace.
_DAMAGE = (ElementTree.ParseError, AttributeError, ValueError)


def embedded_dump() -> str:
  """Returns the path of the dump in gensim's test data."""
  _import_gensim()
  # What gensim.test.utils.datapath returns; importing that module logs a lot.
  package = importlib.resources.files("gensim")
  path = str(package / "test" / "test_data" / _EMBEDDED_FILE)
  name = repr(prepare_settings.EMBEDDED)
  rule = f"input {name} needs gensim with its test data"
  errors.require(files.exists(path), rule, f"no file {_EMBEDDED_FILE}")
  return path


def read_articles(
  path: str, stripe: int = 0, stripes: int = 1
) -> Iterator[list[str]]:
  """Yields the paragraphs of each article of a dump, which is streamed.

  An article is a page of namespace 0 that is no redirect; without prose its
  list is empty. Of every `stripes` pages the one of number `stripe` is taken:
  cleaning an article takes ten times as long as finding it.
  """
  wikicorpus = _import_gensim()
  for index, text in enumerate(_pages(path, wikicorpus)):
    if index % stripes == stripe:
      yield clean_text(wikicorpus.filter_wiki(text))


def _pages(path: str, wikicorpus) -> Iterator[str]:
  def is_article(page, namespace, **unused) -> bool:
    return page.find(f"{{{namespace}}}redirect") is None

  with text_lines.open_stream(path, *_DAMAGE) as stream:
    is_dump = _DUMP_TAG in stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    rule = "an .xml input must be a Wikipedia XML dump (<mediawiki ...>)"
    errors.require(is_dump, rule, repr(path))
    for _, text, _ in wikicorpus.extract_pages(
      stream, filter_namespaces=("0",), filter_articles=is_article
    ):
      if text:  # gensim yields "" for pages that it filters out
        yield text


def clean_text(text: str) -> list[str]:
  """Returns the paragraphs of filtered wiki text, without what is not prose.

  A line stays if it has at least five words, ends like a sentence and is not
  below a heading such as "References". Paragraphs have single spaces.

  >>> clean_text("==Life==\\n* '''Ada''' ( ; born 1815) was a mathematician .")
  ['Ada (born 1815) was a mathematician.']
  """
  lines = [_clean_line(line) for line in _lines_outside_references(text)]
  return [line for line in lines if _is_prose(line)]


def split_sentences(paragraph: str) -> list[str]:
  """Splits a paragraph after `.`, `!` and `?`, and marks such as `。`.

  The next word must not start with a small letter and the word before must not
  be an initial such as "J."; other abbreviations ("Dr. Who") do split.

  >>> split_sentences('J. Doe asked "Why?" Nobody knew e.g. the answer. 1 did.')
  ['J. Doe asked "Why?"', 'Nobody knew e.g. the answer.', '1 did.']
  """
  sentences = _SENTENCE_BREAK.split(paragraph)
  if not paragraph.isascii():
    split = map(_UNSPACED_BREAK.split, sentences)
    sentences = itertools.chain.from_iterable(split)
  return [sentence for sentence in sentences if sentence]


def _lines_outside_references(text: str):
  skip_from = None  # level of the reference section that we are in
  for line in text.split("\n"):
    line = line.strip()
    heading = _HEADING.match(line)
    if not heading:
      if skip_from is None:
        yield line
      continue
    level, title = len(heading[1]), heading[2].lower()
    if skip_from is None or level <= skip_from:
      skip_from = level if title in REFERENCE_SECTIONS else None


def _clean_line(line: str) -> str:
  if _PICTURE.match(line):
    return ""
  line = _LIST_MARKS.sub("", line)
  for pattern, replacement in _INLINE:
    line = pattern.sub(replacement, line)
  return " ".join(line.split())


def _is_prose(line: str) -> bool:
  return words.number_of_words(line) >= MIN_WORDS and bool(_END.search(line))


def _import_gensim():
  module, need = "gensim.corpora.wikicorpus", "Wikipedia dumps need gensim"
  return extras.require(module, need, "quickstart")
