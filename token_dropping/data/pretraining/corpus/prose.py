# SPDX-License-Identifier: Apache-2.0
"""Makes sentences of the text that a wiki markup filter leaves behind.

The filter removes templates, links and tags; what stays besides prose are
headings, list marks, table cells, captions, quote marks for italics and the
holes where a template stood. This file removes those with simple rules, which
lose some prose rather than keep much rubbish.
"""

import re

# Sections of an English article that hold references instead of prose.
REFERENCE_SECTIONS = frozenset(
  {
    "bibliography",
    "citations",
    "external links",
    "footnotes",
    "further reading",
    "literature",
    "notes",
    "notes and references",
    "references",
    "see also",
    "sources",
    "works cited",
  }
)
MIN_WORDS = 5

_HEADING = re.compile(r"^(={2,6})\s*(.*?)\s*\1$")
_LIST_MARKS = re.compile(r"^[*#:;\s]+")
_END = re.compile(r"[.!?…:;][\"”’')]*$")
_PICTURE = re.compile(r"^(?:File|Image):", re.IGNORECASE)
# A sentence ends with . ! or ? (perhaps in quotes or brackets) before a space
# and a word that starts with anything but a small ASCII letter.
_SENTENCE_BREAK = re.compile(
  r"(?:(?<=[.!?])|(?<=[.!?][\"”’')]))(?<!\b[A-Z]\.)\s+(?=[\"“‘'(]?[^\W_a-z])"
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


def clean_text(text: str) -> list[str]:
  """Returns the paragraphs of filtered wiki text, without what is not prose.

  A line stays if it has at least five words and ends like a sentence, and if
  it is not in a section such as "References" or below one.

  Args:
    text: one article, as the markup filter returns it.

  Returns:
    Paragraphs, each a string with single spaces.

  Example:

  >>> clean_text("==Life==\\n* '''Ada''' ( ; born 1815) was a mathematician .")
  ['Ada (born 1815) was a mathematician.']
  """
  lines = [_clean_line(line) for line in _lines_outside_references(text)]
  return [line for line in lines if _is_prose(line)]


def split_sentences(paragraph: str) -> list[str]:
  """Splits a paragraph after `.`, `!` and `?`.

  The next word must not start with a small letter and the word before must not
  be an initial such as "J."; other abbreviations ("Dr. Who") do split.

  Args:
    paragraph: text in one line.

  Returns:
    The sentences, in order.

  Example:

  >>> split_sentences('J. Doe asked "Why?" Nobody knew e.g. the answer. 1 did.')
  ['J. Doe asked "Why?"', 'Nobody knew e.g. the answer.', '1 did.']
  """
  return [part for part in _SENTENCE_BREAK.split(paragraph) if part]


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
  return len(line.split()) >= MIN_WORDS and bool(_END.search(line))
