# SPDX-License-Identifier: Apache-2.0
"""First pass: a part of the input -> documents of clean pairs, in pieces.

A pair is a line of a piece: source, tab, target. No clean text has a tab.
"""

from collections.abc import Iterator, Sequence

from token_dropping.common import errors
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.pairs import bitext
from token_dropping.data.pretraining.pairs.pair_settings import PairSettings

PAIRS = "pairs"
EMPTY = "empty_sides"
EQUAL = "equal_sides"
# What may be in the input in the place of pairs, for the message.
_INSTEAD = (
  *(EMPTY, EQUAL, bitext.OTHER_LANGUAGES, bitext.NO_PAIR),
  bitext.BAD_JSON,
)


def clean(
  folder: str,
  settings: PairSettings,
  index: int,
  parts: Sequence[input_plan.Range],
) -> dict:
  """Writes the pieces of parts of the input; returns them and its counters."""
  care = text_lines.TextCare()
  stream = (
    document
    for part in parts
    for document in read_documents(part, settings, care)
  )
  return text_pieces.write_pieces(folder, settings, index, parts, stream, care)


def read_documents(
  part: input_plan.Range, settings: PairSettings, care: text_lines.TextCare
) -> Iterator[list[str]]:
  """Streams documents: lines of source and target, parted by a tab.

  Pairs of which a side is empty, or both are the same, are left out.
  """
  document: list[str] = []
  for pair in bitext.read_pairs(part, settings, care):
    if pair is not None and (line := _clean(pair, care)):
      document.append(line)
    ends = pair is None or len(document) == settings.document_pairs
    if document and ends:
      care.counts["documents"] += 1
      yield document
      document = []


def check_counts(counts: dict[str, int], settings: PairSettings) -> None:
  """Raises `UserError` if there was no pair in the two languages."""
  found = (f"{counts[name]:,} {name}" for name in _INSTEAD if counts[name])
  errors.require(
    counts[PAIRS] > 0,
    f"input must hold pairs of {settings.source_language} and "
    f"{settings.target_language}, both sides with text and different",
    ", ".join(found).replace("_", " ") or "nothing",
  )


def _clean(pair: tuple[str, str], care: text_lines.TextCare) -> str | None:
  source, target = map(care.clean, pair)
  if not (source and target):
    care.counts[EMPTY] += 1
  elif source == target:
    care.counts[EQUAL] += 1
  else:
    care.counts[PAIRS] += 1
    return f"{source}\t{target}"
  return None
