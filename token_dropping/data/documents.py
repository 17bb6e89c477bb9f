# SPDX-License-Identifier: Apache-2.0
"""Input files -> a stream of documents; a document is a list of sentences."""

from collections.abc import Iterable, Iterator

import tensorflow as tf

from token_dropping import errors
from token_dropping.data import wikipedia


def resolve_inputs(patterns: str) -> list[str]:
  """Finds the input files.

  Args:
    patterns: comma-separated paths or globs, on any filesystem that TensorFlow
      knows; `gensim:enwiki` is the small Wikipedia dump in gensim's test data.

  Returns:
    Paths: in the order of the patterns, sorted within one, each once.

  Raises:
    UserError: a pattern matches no file.
  """
  paths: dict[str, None] = {}
  for pattern in filter(None, (p.strip() for p in patterns.split(","))):
    paths.update(dict.fromkeys(_match(pattern)))
  if not paths:
    raise errors.UserError(
      f"input must name at least one file. Received: {patterns!r}"
    )
  return list(paths)


def read_documents(
  paths: Iterable[str], document_per_file: bool = False
) -> Iterator[list[str]]:
  """Streams the documents of text files and Wikipedia dumps.

  Args:
    paths: files; the first bytes of each say what it is.
    document_per_file: bool, default False: in text files blank lines separate
      documents. True: they do not, a file is one document.

  Yields:
    A non-empty list of non-empty sentences. A line of a text file is one
    sentence, with runs of white space made single spaces.

  Raises:
    UserError: a file is unreadable, corrupt or not UTF-8.
  """
  for path in paths:
    if wikipedia.is_dump(path):
      yield from wikipedia.read_articles(path)
    else:
      yield from split_documents(read_lines(path), document_per_file)


def read_lines(path: str) -> Iterator[str]:
  """Yields the lines of a UTF-8 file with single spaces, "" for blank ones.

  Args:
    path: a text file; it is streamed.

  Raises:
    UserError: unreadable, or not UTF-8 (with the offset of the first bad byte).
  """
  offset = 0
  try:
    with tf.io.gfile.GFile(path, "rb") as file:
      for line in file:
        yield " ".join(line.decode("utf-8").lstrip("\ufeff").split())
        offset += len(line)
  except UnicodeDecodeError as error:
    raise errors.UserError(
      f"input must be UTF-8 text. Received: {path!r} ({error.reason} at byte "
      f"{offset + error.start})"
    ) from error
  except tf.errors.OpError as error:
    raise errors.UserError(
      f"input must be a readable file. Received: {path!r} "
      f"({type(error).__name__})"
    ) from error


def split_documents(
  lines: Iterable[str], one_document: bool = False
) -> Iterator[list[str]]:
  """Groups lines into documents.

  Args:
    lines: strings; "" stands for a blank line.
    one_document: bool, default False: blank lines end a document. True: they
      are skipped.

  Yields:
    Non-empty lists of non-empty lines.

  Example:

  >>> list(split_documents(["a", "b", "", "", "c"]))
  [['a', 'b'], ['c']]
  """
  document: list[str] = []
  for line in lines:
    if line:
      document.append(line)
    elif document and not one_document:
      yield document
      document = []
  if document:
    yield document


def _match(pattern: str) -> list[str]:
  if pattern == wikipedia.EMBEDDED:
    return [wikipedia.embedded_dump()]
  try:
    if tf.io.gfile.exists(pattern):
      paths = [pattern]
    else:
      paths = sorted(tf.io.gfile.glob(pattern))
    paths = [path for path in paths if not tf.io.gfile.isdir(path)]
  except tf.errors.OpError:
    paths = []
  if not paths:
    raise errors.UserError(
      f"input must match at least one file. Received: {pattern!r}"
    )
  return paths
