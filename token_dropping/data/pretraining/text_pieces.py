# SPDX-License-Identifier: Apache-2.0
"""First pass: input -> pieces of clean text, small enough for memory.

A piece is a Zstandard file in the work folder: a sentence a line, an empty line
after each document. Beside it are the hashes of its documents.
"""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import zstandard

from token_dropping.common import files
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import split
from token_dropping.data.pretraining.corpus import documents
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_care

_END = b"\n\n"  # of a document


@dataclasses.dataclass(frozen=True)
class Piece:
  """A piece of clean text.

  Attributes:
    path: of the text; the hashes are beside it.
    documents: int, number of documents in it.
    bytes: int, size of the text.
    skip: ascending places of documents to leave out.
  """

  path: str
  documents: int
  bytes: int
  skip: tuple[int, ...] = ()

  def hashes(self) -> np.ndarray:
    """Reads the hashes of all documents, [documents] uint64."""
    return np.frombuffer(files.read(_hash_path(self.path)), np.uint64)

  def read(self) -> tuple[list[list[str]], np.ndarray]:
    """Reads the documents that are not left out, and their `split.values`."""
    text = zstandard.decompress(files.read(self.path)).decode()
    whole = text.split("\n\n")[:-1]
    keep = np.ones(len(whole), bool)
    keep[list(self.skip)] = False
    numbers = split.values(self.hashes())[keep]
    return [whole[i].split("\n") for i in np.flatnonzero(keep)], numbers


def clean(
  folder: str,
  settings: prepare_settings.PrepareSettings,
  index: int,
  ranges: Sequence[input_plan.Range],
) -> dict:
  """Reads a part of the input and writes its pieces.

  Args:
    folder: the work folder.
    settings: how to read.
    index: number of the part.
    ranges: the part.

  Returns:
    `counts` of `TextCare`, `pieces` and, for progress, `bytes` and `documents`.
  """
  care = text_care.TextCare()
  stream = (
    document
    for part in ranges
    for document in documents.read_documents(part, settings, care)
  )
  pieces = []
  for number, group in enumerate(_groups(stream, settings.piece_bytes)):
    path = files.join(folder, f"text-{index:05d}-{number:05d}")
    pieces.append(_write(path, group, settings))
  return {
    "counts": dict(care.counts),
    "documents": care.counts["documents"],
    "bytes": sum(part.weight for part in ranges),
    "pieces": [dataclasses.asdict(piece) for piece in pieces],
  }


def collect(
  folder: str, results: Iterable[dict]
) -> tuple[list[Piece], collections.Counter]:
  """Returns the pieces that `clean` made and the sum of its counters."""
  pieces: list[Piece] = []
  counts: collections.Counter[str] = collections.Counter()
  for result in results:
    for piece in result["pieces"]:
      # A run that goes on may call the same folder by another name.
      path = files.join(folder, piece["path"].rpartition("/")[2])
      pieces.append(Piece(**{**piece, "path": path}))
    counts.update(result["counts"])
  return pieces, counts


def without_copies(pieces: Sequence[Piece]) -> list[Piece]:
  """Returns the pieces with copies of earlier documents marked to be skipped.

  All hashes are in memory at once, 8 bytes a document.
  """
  hashes = [piece.hashes() for piece in pieces]
  ends = np.cumsum([len(part) for part in hashes])
  copies = split.copies(np.concatenate(hashes))
  parts = np.split(copies, np.searchsorted(copies, ends[:-1]))
  starts = [0, *ends[:-1]]
  return [
    dataclasses.replace(piece, skip=tuple((part - start).tolist()))
    for piece, part, start in zip(pieces, parts, starts, strict=True)
  ]


def _groups(stream: Iterable[list[str]], limit: int) -> Iterator[list[bytes]]:
  """Yields documents of together at least `limit` bytes, the last of fewer."""
  group: list[bytes] = []
  size = 0
  for document in stream:
    group.append("\n".join(document).encode())
    size += len(group[-1]) + len(_END)
    if size >= limit:
      yield group
      group, size = [], 0
  if group:
    yield group


def _write(
  path: str, group: list[bytes], settings: prepare_settings.PrepareSettings
) -> Piece:
  text = _END.join([*group, b""])
  hashes = [split.document_hash(document, settings.seed) for document in group]
  # Level 1: it is written and read once.
  files.write(path, zstandard.compress(text, 1))
  files.write(_hash_path(path), np.array(hashes, np.uint64).tobytes())
  return Piece(path, len(group), len(text))


def _hash_path(path: str) -> str:
  return f"{path}-hashes"
