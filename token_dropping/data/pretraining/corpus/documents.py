# SPDX-License-Identifier: Apache-2.0
"""A part of the input -> its documents; a document is a list of sentences.

To causal_lm, which learns to write text as it is, it is a list of paragraphs:
only the lines of text files are the same to both.
"""

from collections.abc import Callable, Iterable, Iterator

from token_dropping.common import errors
from token_dropping.common import plain_json
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.corpus import wikipedia
from token_dropping.data.pretraining.corpus.text_lines import TextCare
from token_dropping.data.pretraining.prepare_settings import PrepareSettings

MAX_JSON_LINE = 1 << 26  # bytes

# Clean text -> its sentences, or the paragraph itself.
_Split = Callable[[str], list[str]]


def read_documents(
  part: input_plan.Range, settings: PrepareSettings, care: TextCare
) -> Iterator[list[str]]:
  """Streams the documents that `care` accepts, without empty sentences."""
  document: list[str] = []
  size = 0
  for sentence in _sentences(part, settings, care):
    # Documents longer than memory may hold are cut.
    if sentence is None or size >= settings.piece_bytes:
      if care.accepts(document):
        yield document
      care.counts["cut_documents"] += sentence is not None
      document, size = [], 0
    if sentence is not None:
      document.append(sentence)
      size += len(sentence.encode()) + 1


def check_counts(counts: dict[str, int], settings: PrepareSettings) -> None:
  """Raises `UserError` if JSON lines were read, but none has the text field."""
  missing, bad = counts["lines_without_text"], counts["bad_json_lines"]
  errors.require(
    counts["documents"] or not missing + bad,
    "input of JSON lines must have an object in every line, whose text field "
    f"--text_field={settings.text_field} names",
    f"{missing} lines without it, {bad} that are no JSON",
  )


def _sentences(part, settings, care) -> Iterator[str | None]:
  """Yields clean sentences, and None at the end of each document."""
  bounds = part.start, part.end
  split = _whole if settings.is_causal else wikipedia.split_sentences
  if part.kind == "dump":
    for paragraphs in wikipedia.read_articles(part.path, *bounds):
      yield from _split(paragraphs, care, split)
  elif part.kind == "tfds":
    field = settings.text_field
    for text in tfds_text.read_texts(part.path, field, *bounds):
      yield from _split(care.decode(text).split("\n"), care, split)
  else:
    with text_lines.open_stream(part.path) as stream:
      yield from _file_sentences(stream, part, settings, care, split)


def _file_sentences(
  stream, part, settings, care, split: _Split
) -> Iterator[str | None]:
  if part.kind == "text" and settings.document_per_file:
    yield from filter(None, map(care.clean_part, text_lines.read_lines(stream)))
    yield None
  elif part.kind == "text" and not settings.document_per_line:
    yield from text_lines.read_paragraphs(stream, care, part.start, part.end)
  else:
    lines = text_lines.read_between(stream, part.start, part.end)
    if part.kind == "json":
      yield from _json_documents(lines, settings.text_field, care, split)
    else:
      yield from _line_documents(lines, care, split)


def _line_documents(lines, care, split: _Split) -> Iterator[str | None]:
  for line in lines:
    yield from split(care.clean_part(line))
    if line.is_last:
      yield None


def _json_documents(
  lines, field: str, care, split: _Split
) -> Iterator[str | None]:
  whole = b""
  for line in lines:
    if len(whole) <= MAX_JSON_LINE:  # else it is refused below
      whole += line.raw
    if line.is_last:
      text = _json_text(whole, field, care) if whole.strip() else None
      whole = b""
      if text is not None:
        yield from _split(text.split("\n"), care, split)


def _json_text(line: bytes, field: str, care) -> str | None:
  try:
    if len(line) > MAX_JSON_LINE:
      raise ValueError
    line = care.decode(line).removeprefix("\ufeff")
    content = plain_json.loads_bounded(line)  # `care` counts its surrogates
  except ValueError:
    care.counts["bad_json_lines"] += 1
    return None
  text = content.get(field) if isinstance(content, dict) else None
  if not isinstance(text, str):
    care.counts["lines_without_text"] += 1
    return None
  return text


def _split(
  paragraphs: Iterable[str], care, split: _Split
) -> Iterator[str | None]:
  """Yields the sentences of a document, then None."""
  for paragraph in paragraphs:
    yield from split(care.clean(paragraph))
  yield None


def _whole(paragraph: str) -> list[str]:
  return [paragraph] if paragraph else []
