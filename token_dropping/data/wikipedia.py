# SPDX-License-Identifier: Apache-2.0
"""Reads articles from Wikipedia XML dumps, and finds the embedded one.

Dump reader and markup filter are gensim's, an optional dependency whose
package also holds a small English dump as test data: the corpus of the quick
start.
"""

import bz2
import importlib.resources
from collections.abc import Iterator
from xml.etree import ElementTree

import tensorflow as tf

from token_dropping import errors
from token_dropping.data import prose

EMBEDDED = "gensim:enwiki"
_EMBEDDED_FILE = (
  "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
)
_BZIP2_MAGIC = b"BZh"
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
  if not tf.io.gfile.exists(path):
    raise errors.UserError(
      f"input {EMBEDDED!r} needs gensim with its test data ({_INSTALL}). "
      f"Received: no file {_EMBEDDED_FILE}"
    )
  return path


def is_dump(path: str) -> bool:
  """Says whether a file is a Wikipedia dump, by its first bytes.

  Args:
    path: any file, plain or compressed with bzip2.

  Returns:
    True for a dump; False for other plain files.

  Raises:
    UserError: unreadable, or a `.bz2` file that is corrupt or no dump.
  """
  try:
    with tf.io.gfile.GFile(path, "rb") as file:
      head = file.read(_HEAD_BYTES)
    compressed = head.startswith(_BZIP2_MAGIC) or path.endswith(".bz2")
    if compressed:
      with tf.io.gfile.GFile(path, "rb") as file:
        head = bz2.BZ2File(file).read(_HEAD_BYTES)
  except (tf.errors.OpError, OSError, EOFError) as error:
    raise _unreadable(path, error) from error
  if compressed and _DUMP_TAG not in head:
    raise errors.UserError(
      "a bzip2 input must be a Wikipedia XML dump (<mediawiki ...>). "
      f"Received: {path!r}"
    )
  return head.lstrip(b"\xef\xbb\xbf \r\n").startswith(
    (b"<?xml", _DUMP_TAG)
  ) and (_DUMP_TAG in head)


def read_articles(path: str) -> Iterator[list[str]]:
  """Yields the articles of a dump as lists of sentences.

  Args:
    path: a dump, `.xml` or `.xml.bz2`, of any size: it is streamed.

  Yields:
    A list of sentences for every page of namespace 0 that is no redirect and
    has prose.

  Raises:
    UserError: gensim is missing, or the file is unreadable or corrupt.
  """
  wikicorpus = _import_gensim()
  for text in _pages(path, wikicorpus):
    paragraphs = prose.clean_text(wikicorpus.filter_wiki(text))
    sentences = [s for p in paragraphs for s in prose.split_sentences(p)]
    if sentences:
      yield sentences


def _pages(path: str, wikicorpus) -> Iterator[str]:
  def is_article(page, namespace, **unused) -> bool:
    return page.find(f"{{{namespace}}}redirect") is None

  try:
    with tf.io.gfile.GFile(path, "rb") as file:
      compressed = file.read(len(_BZIP2_MAGIC)) == _BZIP2_MAGIC
      file.seek(0)
      stream = bz2.BZ2File(file) if compressed else file
      for _, text, _ in wikicorpus.extract_pages(
        stream, filter_namespaces=("0",), filter_articles=is_article
      ):
        yield text
  except (
    tf.errors.OpError,
    OSError,  # bad compressed data
    EOFError,  # cut off
    ElementTree.ParseError,
    AttributeError,  # a page without title or text
    ValueError,  # not a MediaWiki namespace
  ) as error:
    raise _unreadable(path, error) from error


def _import_gensim():
  try:
    from gensim.corpora import wikicorpus
  except ImportError as error:
    raise errors.UserError(
      f"Wikipedia dumps need gensim: {_INSTALL}. Received: {error}"
    ) from error
  return wikicorpus


def _unreadable(path: str, error: Exception) -> errors.UserError:
  reason = " ".join(str(error).split())
  return errors.UserError(
    f"input must be a readable file. Received: {path!r} "
    f"({type(error).__name__}: {reason})"
  )
