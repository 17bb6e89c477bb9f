# SPDX-License-Identifier: Apache-2.0
"""The running text of pages, manuals and tagged corpora, without markup."""

import html.parser
import re

PROSE_TAGS = frozenset({"p", "dd"})  # lists of running text hold <p>, menus not
MIN_WORDS = 5


def of_html(text: str) -> list[str]:
  """Returns the paragraphs of an HTML page that are running text.

  >>> of_html("<h1>No</h1><p>A line of five <b>words</b>.</p><p>No</p>")
  ['A line of five words.']
  """
  parser = _ProseParser()
  parser.feed(text)
  return _of_paragraphs(parser.paragraphs)


class _ProseParser(html.parser.HTMLParser):
  def __init__(self):
    super().__init__()
    self.paragraphs: list[str] = []
    self._depth = 0
    self._skipped = 0

  def handle_starttag(self, tag, attrs):
    if tag in ("pre", "script", "style"):
      self._skipped += 1
    if tag in PROSE_TAGS:
      self._depth += 1
      self.paragraphs.append("")

  def handle_endtag(self, tag):
    if tag in ("pre", "script", "style"):
      self._skipped -= 1
    if tag in PROSE_TAGS and self._depth:
      self._depth -= 1

  def handle_data(self, data):
    if self._depth and not self._skipped:
      self.paragraphs[-1] += data


def of_descriptions(text: str) -> list[str]:
  """Returns the paragraphs of a text in which empty lines part them.

  >>> of_descriptions("One text of <b>five</b>\\nwords.\\n\\nToo short")
  ['One text of five words.']
  """
  return _of_paragraphs(re.sub(r"</?\w[^>]*>", "", text).split("\n\n"))


_RST_CODE = re.compile(r"\.\. (code|sourcecode|console|parsed-literal|math)")
_RST_RULE = re.compile(r"^\s*(\.\. |>>> |[=\-~^\"+|]{3})", re.MULTILINE)
_RST_ROLE = re.compile(r"(?::[\w:+-]+:)?`[~!]?([^`<]*?)(?:\s*<[^>`]*>)?`_{0,2}")


def of_restructured(text: str) -> list[str]:
  """Returns the paragraphs of reStructuredText: no code, titles or tables.

  >>> of_restructured("Title\\n=====\\n\\n.. note::\\n\\n"
  ...   "  See :meth:`~x.y` and the ``z`` of `this <url>`_::\\n\\n    code = 1")
  ['See x.y and the z of this:']
  """
  paragraphs, code = [], None  # how far what code belongs to is indented
  for block in re.split(r"\n\s*\n", text.expandtabs().strip("\n")):
    indent, body = len(block) - len(block.lstrip()), block.strip()
    if code is not None and indent > code:
      continue
    is_text = not _RST_RULE.search(body)
    has_code = _RST_CODE.match(body) or (is_text and body.endswith("::"))
    code = indent if has_code else None
    if is_text:
      body = _RST_ROLE.sub(r"\1", re.sub(r"``(.+?)``", r"\1", body))
      body = re.sub(r"(?<!\w)(\*\*?)(\S.*?)\1(?!\w)", r"\2", body)
      items = re.split(r"(?m)^\s*(?:[*-]|#\.) ", body.replace("::", ":"))
      paragraphs += items
  return _of_paragraphs(paragraphs)


def of_tagged(text: str) -> list[str]:
  """Returns the sentences, a line each, of words with tags behind a slash.

  >>> of_tagged("``/`` No/at word/nn ,/, ''/'' he/pps said/vbd ./.")
  ['"No word," he said.']
  """
  sentences = []
  for line in text.splitlines():
    words = " ".join(word.rpartition("/")[0] for word in line.split())
    words = re.sub(r"`` ?", '"', re.sub(r" ?''", '"', words))
    sentences.append(re.sub(r" ([.,;:?!)])", r"\1", words).replace("( ", "("))
  return [sentence for sentence in sentences if sentence]


def of_stanza(stanza: str) -> list[str]:
  """Returns the running text of a Debian package's `Description-en`.

  Lines that begin with more than one space, or a bullet, are lists and code.

  >>> of_stanza('Package: x\\n'
  ...   'Description-en: short\\n One text of five\\n words.\\n .\\n  code')
  ['One text of five words.']
  """
  _, _, description = stanza.partition("\nDescription-en:")
  paragraphs, text = [], []
  for line in [*description.split("\n")[1:], " ."]:
    if re.match(r" [^\s*.-]", line):
      text.append(line.strip())
    elif text:
      paragraphs.append(" ".join(text))
      text = []
  return _of_paragraphs(paragraphs)


def _of_paragraphs(paragraphs) -> list[str]:
  """Returns those that have some words, each in one line."""
  lines = (" ".join(paragraph.split()) for paragraph in paragraphs)
  return [line for line in lines if len(line.split()) >= MIN_WORDS]
