# SPDX-License-Identifier: Apache-2.0
"""Which files hold pairs, and which task reads which of them.

The plan, and so the dataset, depends on names and sizes of the files and on
`piece_bytes`, never on the number of workers. A file is read by one task, a
set of TensorFlow Datasets in stripes.
"""

import dataclasses
import os
from collections.abc import Iterator

from token_dropping.common import errors
from token_dropping.data.pretraining import preparation
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.pairs.pair_settings import PairSettings

KINDS = {".tsv": "tsv", ".jsonl": "json", ".json": "json", ".tmx": "tmx"}
KINDS |= {".po": "po", ".mo": "mo"}


@dataclasses.dataclass(frozen=True)
class Part:
  """A file, two aligned ones, or a stripe of a set."""

  path: str  # for "tfds" the name of the data set and split
  kind: str  # "text", "tfds" or one of `KINDS`
  weight: int  # bytes to read, for progress
  other: str = ""  # of "text": the file with the translations
  stripe: tuple[int, int] = (0, 1)  # number, of how many


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

  def plan(self, piece_bytes: int) -> list[tuple[Part, ...]]:
    """Returns what each task reads, in order; small files share a task."""
    target = input_plan.piece_target(piece_bytes)
    return input_plan.grouped(self._parts(target), target)

  def _parts(self, target: int) -> Iterator[Part]:
    if self.tfds_name:
      stripes = tfds_text.number_of_stripes(self.tfds_name, target)
      for i in range(stripes):
        yield Part(self.tfds_name, "tfds", target, "", (i, stripes))
    elif self.translations:
      for source, target_path in zip(
        self.sizes, self.translations, strict=True
      ):
        weight = _weight(source, self.sizes[source])
        weight += _weight(target_path, self.translations[target_path])
        yield Part(source, "text", weight, target_path)
    else:
      for path, size in self.sizes.items():
        yield Part(path, _kind(path), _weight(path, size))


def _weight(path: str, size: int) -> int:
  compressed = path.endswith(tuple(text_lines.DECOMPRESS))
  return size * (input_plan.COMPRESSION if compressed else 1)


def _kind(path: str) -> str:
  name, ending = os.path.splitext(path)
  if ending in text_lines.DECOMPRESS:
    ending = os.path.splitext(name)[1]
  rule = f"input must name files that end in {', '.join(KINDS)}"
  errors.require(ending in KINDS, rule, repr(path))
  return KINDS[ending]
