# SPDX-License-Identifier: Apache-2.0
"""Reads articles from Wikipedia XML dumps, and finds the embedded one.

Dump reader and markup filter are gensim's, an optional dependency whose
package also holds a small English dump as test data: the corpus of the quick
start.
"""

import importlib.resources
from collections.abc import Iterator
from xml.etree import ElementTree

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining.corpus import decompression
from token_dropping.data.pretraining.corpus import prose

_EMBEDDED_FILE = (
  "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
)
_DUMP_TAG = b"<mediawiki"
_HEAD_BYTES = 4096
_INSTALL = "pip install 'token-dropping[quickstart]'"


def embedded_dump() -> str:
  """Returns the path of the dump in gensim's test data.

  Raises:
    UserError: gensim is not installed, or came without its test data.
  """
  _import_gensim()
  # What gensim.test.utils.datapath returns; importing that module logs a lot.
  package = importlib.resources.files("gensim")
  path = str(package / "test" / "test_data" / _EMBEDDED_FILE)
  if not files.exists(path):
    raise errors.UserError(
      f"input {prepare_settings.EMBEDDED!r} needs gensim with its test data "
      f"({_INSTALL}). Received: no file {_EMBEDDED_FILE}"
    )
  return path


def read_articles(
  path: str, stripe: int = 0, stripes: int = 1
) -> Iterator[list[str]]:
  """Yields the articles of a dump as lists of paragraphs.

  Args:
    path: a dump, `.xml`, plain or compressed, of any size: it is streamed.
    stripe: int, default 0: of every `stripes` pages take the one of this
      number; cleaning an article takes ten times as long as finding it.
    stripes: int, default 1.

  Yields:
    A list of paragraphs, empty without prose, for every page of namespace 0
    that is no redirect.

  Raises:
    UserError: gensim is missing, or the file is unreadable, corrupt or no dump.
  """
  wikicorpus = _import_gensim()
  for index, text in enumerate(_pages(path, wikicorpus)):
    if index % stripes == stripe:
      yield prose.clean_text(wikicorpus.filter_wiki(text))


def _pages(path: str, wikicorpus) -> Iterator[str]:
  def is_article(page, namespace, **unused) -> bool:
    return page.find(f"{{{namespace}}}redirect") is None

  try:
    with decompression.open_stream(path) as stream:
      _check_head(path, stream.peek(_HEAD_BYTES)[:_HEAD_BYTES])
      for _, text, _ in wikicorpus.extract_pages(
        stream, filter_namespaces=("0",), filter_articles=is_article
      ):
        if text:  # gensim yields "" for pages that it filters out
          yield text
  except (
    OSError,  # bad compressed data
    EOFError,  # cut off
    ElementTree.ParseError,
    AttributeError,  # a page without title or text
    ValueError,  # not a MediaWiki namespace
  ) as error:
    raise decompression.unreadable(path, error) from error


def _check_head(path: str, head: bytes) -> None:
  if _DUMP_TAG not in head:
    raise errors.UserError(
      "an .xml input must be a Wikipedia XML dump (<mediawiki ...>). "
      f"Received: {path!r}"
    )


def _import_gensim():
  try:
    from gensim.corpora import wikicorpus
  except ImportError as error:
    raise errors.UserError(
      f"Wikipedia dumps need gensim: {_INSTALL}. Received: {error}"
    ) from error
  return wikicorpus
