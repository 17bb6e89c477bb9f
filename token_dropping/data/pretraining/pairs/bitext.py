# SPDX-License-Identifier: Apache-2.0
"""A part of the input -> its pairs of texts, as they are.

A document is what the format calls so: what stands between empty lines in
aligned text files and in `.tsv`, lines with the same `document` in `.jsonl`, a
file in all other formats.
"""

import itertools
from collections.abc import Iterable, Iterator

from token_dropping.common import errors
from token_dropping.common import plain_json
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.pairs import catalogues
from token_dropping.data.pretraining.pairs import languages
from token_dropping.data.pretraining.pairs import translation_memory
from token_dropping.data.pretraining.pairs.pair_settings import PairSettings

# Source and target; None where a document ends.
Pairs = Iterator[tuple[str, str] | None]
BAD_JSON = "bad_json_lines"
NO_PAIR = "lines_without_pair"
OTHER_LANGUAGES = "other_languages"  # entries or files


def read_pairs(
  part: input_plan.Range, settings: PairSettings, care: text_lines.TextCare
) -> Pairs:
  """Yields the pairs of a part; `care` counts what has no pair."""
  wanted = settings.languages
  if part.kind == "tfds":
    yield from _of_tfds(part, wanted)
  elif part.kind == "text":
    yield from _of_text(part, care)
  elif part.kind == "tmx":
    for texts in translation_memory.read_units(part.path):
      yield from _of_texts(texts, wanted, care)
  elif part.kind in ("po", "mo"):
    yield from _of_catalogue(part, settings, care)
  else:
    with text_lines.open_stream(part.path) as stream:
      lines = _lines(stream, care)
      if part.kind == "tsv":
        yield from _of_table(lines, settings, care)
      else:
        yield from _of_json(lines, wanted, care)
  yield None


def _lines(stream, care: text_lines.TextCare) -> Iterator[str]:
  """Yields lines without their break; too long ones are cut, and counted."""
  for line in text_lines.read_lines(stream):
    care.counts["cut_lines"] += line.is_first and not line.is_last
    if line.is_first:
      yield care.decode(line.raw).removeprefix("\ufeff").rstrip("\r\n")


def _of_text(part: input_plan.Range, care: text_lines.TextCare) -> Pairs:
  with (
    text_lines.open_stream(part.path) as sources,
    text_lines.open_stream(part.other) as targets,
  ):
    pairs = itertools.zip_longest(_lines(sources, care), _lines(targets, care))
    numbers = [0, 0]
    for source, target in pairs:
      numbers[0] += source is not None
      numbers[1] += target is not None
      if source is None or target is None:
        continue
      is_end = not (source.strip() or target.strip())
      yield None if is_end else (source, target)
  errors.require(
    numbers[0] == numbers[1],
    "source_input and target_input must have as many lines in each file",
    f"{numbers[0]:,} in {part.path} and {numbers[1]:,} in {part.other}",
  )


def _of_table(lines: Iterable[str], settings: PairSettings, care) -> Pairs:
  places = settings.source_column - 1, settings.target_column - 1
  for line in lines:
    fields = line.split("\t")
    if not line.strip():
      yield None
    elif len(fields) > max(places):
      yield fields[places[0]], fields[places[1]]
    else:
      care.counts[NO_PAIR] += 1


def _of_json(lines: Iterable[str], wanted: tuple[str, str], care) -> Pairs:
  before = None
  for line in filter(str.strip, lines):
    try:
      content = plain_json.loads_bounded(line)
    except ValueError:
      content = None
    if not isinstance(content, dict):
      care.counts[BAD_JSON] += 1
      continue
    if content.get("document") != before:
      yield None
      before = content.get("document")
    texts = content.get("translation", content)
    if not isinstance(texts, dict):
      texts = {}
    texts = {k: text for k, text in texts.items() if isinstance(text, str)}
    yield from _of_texts(texts, wanted, care)


def _of_texts(texts: dict[str, str], wanted: tuple[str, str], care) -> Pairs:
  source, target = (languages.find(code, texts) for code in wanted)
  if source is None or target is None:
    care.counts[OTHER_LANGUAGES] += 1
  else:
    yield source, target


def _of_catalogue(
  part: input_plan.Range, settings: PairSettings, care
) -> Pairs:
  catalogue = catalogues.read(part.path, part.kind)
  codes = settings.message_language, catalogue.language
  for order in (1, -1):
    if all(map(languages.matches, settings.languages, codes[::order])):
      yield from (pair[::order] for pair in catalogue.pairs)
      return
  care.counts[OTHER_LANGUAGES] += 1


def _of_tfds(part: input_plan.Range, wanted: tuple[str, str]) -> Pairs:
  stripe = part.start, part.end
  for texts in tfds_text.read_translations(part.path, wanted, *stripe):
    yield tuple(text.decode("utf-8", "replace") for text in texts)
