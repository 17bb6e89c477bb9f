# SPDX-License-Identifier: Apache-2.0
"""Cleans text from anywhere; what is changed or left out is counted.

Counters, all in the dataset's `text`:

| name | counts |
| --- | --- |
| `documents` | documents that are used |
| `empty_documents`, `one_word_documents` | documents that are skipped |
| `duplicate_documents` | documents skipped with `deduplicate` |
| `cut_documents`, `cut_lines` | cuts of what is too long to hold in memory |
| `invalid_utf8_lines` | lines in which wrong bytes became U+FFFD |
| `control_characters` | characters that were removed |
| `byte_order_marks`, `crlf_lines` | what the name says; removed |
| `bad_json_lines` | lines that are no JSON object, skipped |
| `lines_without_text` | objects that lack the text field, skipped |
"""

import collections
import re

NAMES = (
  "documents",
  "empty_documents",
  "one_word_documents",
  "duplicate_documents",
  "cut_documents",
  "cut_lines",
  "invalid_utf8_lines",
  "control_characters",
  "byte_order_marks",
  "crlf_lines",
  "bad_json_lines",
  "lines_without_text",
)
# The white space among them (tab, form feed, ...) separates words.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BOM = "\ufeff"


class TextCare:
  """Cleans lines and documents.

  Attributes:
    counts: number of times that each thing happened, by name.
  """

  def __init__(self):
    self.counts = collections.Counter(dict.fromkeys(NAMES, 0))

  def decode(self, line: bytes) -> str:
    """Returns a line as text; wrong bytes become U+FFFD."""
    if line.endswith(b"\r\n"):
      self.counts["crlf_lines"] += 1
    try:
      return line.decode("utf-8")
    except UnicodeDecodeError:
      self.counts["invalid_utf8_lines"] += 1
      return line.decode("utf-8", "replace")

  def clean(self, text: str) -> str:
    """Returns text with single spaces and without control characters.

    Example:

    >>> TextCare().clean(" one\\ttwo\\x00 ")
    'one two'
    """
    stripped = text.strip()
    # Python calls no white space printable but the space: most lines end here.
    if stripped.isprintable() and "  " not in stripped:
      return stripped
    if not text.isascii():
      text = self._clean_unicode(text)
    text, removed = _CONTROL.subn("", text)
    self.counts["control_characters"] += removed
    return " ".join(text.split())

  def accepts(self, document: list[str]) -> bool:
    """Says whether a document of clean sentences has more than one word."""
    words = sum(sentence.count(" ") + 1 for sentence in document[:2])
    if words > 1:
      self.counts["documents"] += 1
      return True
    self.counts["one_word_documents" if words else "empty_documents"] += 1
    return False

  def _clean_unicode(self, text: str) -> str:
    if _BOM in text:
      self.counts["byte_order_marks"] += text.count(_BOM)
      text = text.replace(_BOM, "")
    text, wrong = _SURROGATE.subn("\ufffd", text)
    self.counts["invalid_utf8_lines"] += wrong > 0
    return text
