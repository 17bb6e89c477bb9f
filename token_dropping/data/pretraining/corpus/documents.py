# SPDX-License-Identifier: Apache-2.0
"""A part of the input -> its documents; a document is a list of sentences."""

import json
import zlib
from collections.abc import Iterable, Iterator

from token_dropping.common import errors
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining.corpus import decompression
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import line_reader
from token_dropping.data.pretraining.corpus import prose
from token_dropping.data.pretraining.corpus import text_care
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.corpus import wikipedia

MAX_JSON_LINE = 1 << 26  # bytes


def read_documents(
  part: input_plan.Range,
  settings: prepare_settings.PrepareSettings,
  care: text_care.TextCare,
) -> Iterator[list[str]]:
  """Streams the documents of a part of the input.

  Args:
    part: what to read.
    settings: how documents are divided, and the name of the text field.
    care: cleans the text and decides which documents are used.

  Yields:
    A list of clean, non-empty sentences. A line of a text file is a sentence;
    other texts are split into sentences.

  Raises:
    UserError: the file is unreadable or corrupt.
  """
  try:
    sentences = _sentences(part, settings, care)
    for document in _documents(sentences, settings.piece_bytes, care):
      if care.accepts(document):
        yield document
  except (OSError, EOFError, zlib.error) as error:
    raise decompression.unreadable(part.path, error) from error


def _documents(
  sentences: Iterable[str | None], limit: int, care: text_care.TextCare
) -> Iterator[list[str]]:
  """Groups sentences up to None; cuts documents longer than memory may hold."""
  document: list[str] = []
  size = 0
  for sentence in sentences:
    if sentence is None or size >= limit:
      yield document
      care.counts["cut_documents"] += sentence is not None
      document, size = [], 0
    if sentence is not None:
      document.append(sentence)
      size += len(sentence.encode()) + 1


def _sentences(
  part: input_plan.Range,
  settings: prepare_settings.PrepareSettings,
  care: text_care.TextCare,
) -> Iterator[str | None]:
  """Yields clean sentences, and None at the end of each document."""
  if part.kind == "dump":
    for text in wikipedia.read_articles(part.path, part.start, part.end):
      yield from _split(text, care)
  elif part.kind == "tfds":
    texts = tfds_text.read_texts(
      part.path, settings.text_field, part.start, part.end
    )
    for text in texts:
      yield from _split(care.decode(text).split("\n"), care)
  else:
    with decompression.open_stream(part.path) as stream:
      if part.kind == "json":
        yield from _json_documents(stream, part, settings.text_field, care)
      elif settings.document_per_line:
        yield from _line_documents(stream, part, care)
      elif settings.document_per_file:
        yield from _file_document(stream, care)
      else:
        yield from line_reader.read_paragraphs(
          stream, care, part.start, part.end
        )


def _line_documents(stream, part, care) -> Iterator[str | None]:
  for line in line_reader.read_between(stream, part.start, part.end):
    *sentences, end = _split([care.decode(line.raw)], care)
    yield from sentences
    care.counts["cut_lines"] += not line.is_last
    if line.is_last:
      yield end


def _file_document(stream, care) -> Iterator[str | None]:
  for line in line_reader.read_lines(stream):
    text = care.clean(care.decode(line.raw))
    care.counts["cut_lines"] += not line.is_last
    if text:
      yield text
  yield None


def _json_documents(stream, part, field, care) -> Iterator[str | None]:
  whole = b""
  for line in line_reader.read_between(stream, part.start, part.end):
    if len(whole) <= MAX_JSON_LINE:  # else it is refused below
      whole += line.raw
    if not line.is_last:
      continue
    text = _json_text(whole, field, care) if whole.strip() else None
    whole = b""
    if text is not None:
      yield from _split(text.split("\n"), care)


def _json_text(line: bytes, field: str, care) -> str | None:
  try:
    if len(line) > MAX_JSON_LINE:
      raise ValueError
    content = json.loads(care.decode(line).removeprefix("\ufeff"))
  except (ValueError, RecursionError):
    care.counts["bad_json_lines"] += 1
    return None
  text = content.get(field) if isinstance(content, dict) else None
  if not isinstance(text, str):
    care.counts["lines_without_text"] += 1
    return None
  return text


def _split(
  paragraphs: Iterable[str], care: text_care.TextCare
) -> Iterator[str | None]:
  """Yields the sentences of a document, then None."""
  for paragraph in paragraphs:
    yield from prose.split_sentences(care.clean(paragraph))
  yield None


def check_found(
  counts: dict[str, int], settings: prepare_settings.PrepareSettings
) -> None:
  """Checks that the input has documents at all.

  Raises:
    UserError: JSON lines without the text field and no document.
  """
  if not counts["documents"] and counts["lines_without_text"]:
    raise errors.UserError(
      "text_field must name a text field of the JSON lines. Received: "
      f"{settings.text_field!r} ({counts['lines_without_text']} lines lack it)"
    )
