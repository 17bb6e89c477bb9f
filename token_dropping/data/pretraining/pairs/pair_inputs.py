# SPDX-License-Identifier: Apache-2.0
"""Which files hold pairs, and which task reads which of them.

The plan, and so the dataset, depends on names and sizes of the files and on
`piece_bytes`, never on the number of workers. A file is read by one task, a
set of TensorFlow Datasets in stripes.
"""

import dataclasses
import os
from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.data.pretraining import preparation
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.corpus.input_plan import Range
from token_dropping.data.pretraining.pairs.pair_settings import PairSettings

KINDS = {".tsv": "tsv", ".jsonl": "json", ".json": "json", ".tmx": "tmx"}
KINDS |= {".po": "po", ".mo": "mo"}


@dataclasses.dataclass(frozen=True)
class Inputs:
  """What there is to read.

  `sizes` are those of files with both languages, or of the sources;
  `translations` those of aligned files.
  """

  sizes: dict[str, int]
  translations: dict[str, int]
  tfds_name: str

  @classmethod
  def find(cls, settings: PairSettings) -> "Inputs":
    """Finds the files that the settings name; raises `UserError`."""
    if settings.tfds_name:
      tfds_text.check_translations(settings.tfds_name, settings.languages)
      return cls({}, {}, settings.tfds_name)
    if settings.input:
      sizes = input_plan.resolve_inputs(settings.input)
      for path in sizes:
        _kind(path)
      return cls(sizes, {}, "")
    sizes, translations = (
      input_plan.resolve_inputs(getattr(settings, flag), flag)
      for flag in ("source_input", "target_input")
    )
    errors.require(
      len(sizes) == len(translations),
      "source_input and target_input must name as many files",
      f"{len(sizes)} and {len(translations)}",
    )
    return cls(sizes, translations, "")

  def recorded(self) -> dict:
    """Returns names and sizes, ready for JSON."""
    named = preparation.named_inputs(self.sizes, self.tfds_name)
    found = {"input_files": named}
    if self.translations:
      found["translation_files"] = preparation.named_inputs(self.translations)
    return found

  def plan(self, piece_bytes: int) -> list[tuple[Range, ...]]:
    """Returns what each task reads, in order; small files share a task."""
    target = input_plan.piece_target(piece_bytes)
    return input_plan.grouped(self._ranges(target), target)

  def _ranges(self, target: int) -> Iterable[Range]:
    if self.tfds_name:
      return input_plan.ranges_of_set(self.tfds_name, target)
    weigh = input_plan.weight_of
    if not self.translations:
      return [
        Range(path, _kind(path), 0, None, weigh(path, size))
        for path, size in self.sizes.items()
      ]
    both = zip(self.sizes.items(), self.translations.items(), strict=True)
    return [
      Range(one, "text", 0, None, weigh(one, n) + weigh(other, m), other)
      for (one, n), (other, m) in both
    ]


def _kind(path: str) -> str:
  name, ending = os.path.splitext(path)
  if ending in text_lines.DECOMPRESS:
    ending = os.path.splitext(name)[1]
  rule = f"input must name files that end in {', '.join(KINDS)}"
  errors.require(ending in KINDS, rule, repr(path))
  return KINDS[ending]
