# SPDX-License-Identifier: Apache-2.0
"""Which part of the input is read by which task.

The plan, and so the dataset, depends on names and sizes of the files and on
`piece_bytes`, never on the number of workers.
"""

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Iterator

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.corpus import wikipedia
from token_dropping.data.pretraining.prepare_settings import PrepareSettings

# A range grows by the rest of its last document; with this share of a piece it
# still makes one piece.
_RANGE_SHARE = 0.75
_COMPRESSION = 4  # text is about so much larger
# Reading a dump again for each stripe costs a tenth of cleaning its articles.
_MAX_STRIPES = 8
_DUMP = re.compile(r"\.xml(-[^./]*)?$")
_JSON = re.compile(r"\.jsonl?$")


@dataclasses.dataclass(frozen=True)
class Range:
  """A part of the input."""

  path: str  # for "tfds" the name of the data set and split
  kind: str  # "text", "json", "dump" or "tfds"; of pairs see `pair_inputs`
  start: int  # byte position where the part begins, or number of the stripe
  end: int | None  # where it ends (None: with the file), or number of stripes
  weight: int  # bytes to read, for progress
  other: str = ""  # of aligned text: the file with the translations


def resolve_inputs(patterns: str, flag: str = "input") -> dict[str, int]:
  """Returns the sizes of the input files by path, each once.

  They are in the order of the patterns, comma-separated paths or globs, and
  sorted within one. A pattern without a file is a `UserError`.
  """
  sizes: dict[str, int] = {}
  for pattern in filter(None, (p.strip() for p in patterns.split(","))):
    sizes |= _match(pattern, flag)
  rule = f"{flag} must name at least one file"
  errors.require(bool(sizes), rule, repr(patterns))
  return sizes


def plan(
  sizes: dict[str, int], settings: PrepareSettings
) -> list[tuple[Range, ...]]:
  """Returns what each task reads, in order; small files share a task."""
  target = piece_target(settings.piece_bytes)
  return grouped(_ranges(sizes, settings, target), target)


def piece_target(piece_bytes: int) -> int:
  """Returns the bytes of input that become one piece of `piece_bytes`."""
  return max(int(piece_bytes * _RANGE_SHARE), 1)


def grouped(parts: Iterable, target: int) -> list[tuple]:
  """Groups parts in their order, those of together at most `target` bytes."""
  tasks: list[tuple] = []
  shared: list = []
  for part in parts:
    if sum(other.weight for other in (*shared, part)) > target and shared:
      tasks.append(tuple(shared))
      shared = []
    shared.append(part)
  return [*tasks, tuple(shared)]


def _ranges(
  sizes: dict[str, int], settings: PrepareSettings, target: int
) -> Iterator[Range]:
  if settings.tfds_name:
    yield from ranges_of_set(settings.tfds_name, target)
    return
  for path, size in sizes.items():
    kind, compressed = _kind(path)
    weight = weight_of(path, size)
    if kind == "dump":
      stripes = min(max(-(-weight // target), 1), _MAX_STRIPES)
      for i in range(stripes):
        yield Range(path, kind, i, stripes, weight // stripes)
    elif compressed or (kind == "text" and settings.document_per_file):
      yield Range(path, kind, 0, None, weight)
    else:
      for start in range(0, max(size, 1), target):
        end = start + target if start + target < size else None
        yield Range(path, kind, start, end, min(target, size - start))


def ranges_of_set(name: str, target: int) -> list[Range]:
  """Divides a set of TensorFlow Datasets into parts of `target` bytes."""
  stripes = tfds_text.number_of_stripes(name, target)
  return [Range(name, "tfds", i, stripes, target) for i in range(stripes)]


def weight_of(path: str, size: int) -> int:
  """Returns about how many bytes of text a file has."""
  compressed = path.endswith(tuple(text_lines.DECOMPRESS))
  return size * (_COMPRESSION if compressed else 1)


def _kind(path: str) -> tuple[str, bool]:
  suffixes = [s for s in text_lines.DECOMPRESS if path.endswith(s)]
  name = path.removesuffix(suffixes[0]) if suffixes else path
  if _DUMP.search(name):
    return "dump", bool(suffixes)
  return "json" if _JSON.search(name) else "text", bool(suffixes)


def _match(pattern: str, flag: str) -> dict[str, int]:
  if pattern == prepare_settings.EMBEDDED:
    pattern = wikipedia.embedded_dump()
  # A name may hold glob characters.
  sizes = {pattern: files.size(pattern)}
  if sizes[pattern] is None:
    sizes = {}
    with text_lines.readable(pattern), contextlib.suppress(FileNotFoundError):
      sizes = {path: files.size(path) for path in files.matches(pattern)}
  for path, size in sizes.items():
    fine = size is not None or files.is_folder(path)  # nothing else is left out
    errors.require(fine, f"{flag} must be a readable file", repr(path))
  sizes = {path: size for path, size in sizes.items() if size is not None}
  rule = f"{flag} must match at least one file"
  errors.require(bool(sizes), rule, repr(pattern))
  return sizes
