# SPDX-License-Identifier: Apache-2.0
"""First pass: input -> pieces of clean text, small enough for memory.

A piece is a Zstandard file in the work folder: a sentence a line, an empty line
after each document. Documents validate if their hash, a number in [0, 1), is
below a threshold; it depends on the seed and the text alone, so two copies of a
text are never on both sides.
"""

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from backports import zstd

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.pretraining.corpus import documents
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.prepare_settings import PrepareSettings
from token_dropping.data.text import words

# From here on chance hits the wanted share within about 5 %; the threshold is
# then the share itself, which is known before all documents were read.
MANY_DOCUMENTS = 10_000
_END = b"\n\n"  # of a document


@dataclasses.dataclass(frozen=True)
class Piece:
  """A piece of clean text."""

  path: str  # of the text; the hashes are beside it
  documents: int  # in it
  bytes: int  # of the text
  skip: tuple[int, ...] = ()  # ascending places of documents to leave out

  def hashes(self) -> np.ndarray:
    """Reads the hashes of all documents, [documents] uint64."""
    return np.frombuffer(files.read(_hash_path(self.path)), np.uint64)

  def read(self) -> tuple[list[list[str]], np.ndarray]:
    """Reads the documents that are not left out, and their numbers."""
    text = zstd.decompress(files.read(self.path)).decode()
    whole = text.split("\n\n")[:-1]
    keep = np.ones(len(whole), bool)
    keep[list(self.skip)] = False
    numbers = uniform(self.hashes())[keep]
    return [whole[i].split("\n") for i in np.flatnonzero(keep)], numbers


def clean(
  folder: str,
  settings: PrepareSettings,
  index: int,
  ranges: Sequence[input_plan.Range],
) -> dict:
  """Writes the pieces of a part of the input; returns them and its counters."""
  care = text_lines.TextCare()
  stream = (
    _counted(document, settings, care)
    for part in ranges
    for document in documents.read_documents(part, settings, care)
  )
  return write_pieces(folder, settings, index, ranges, stream, care)


def write_pieces(
  folder: str, settings, index: int, ranges, stream, care: text_lines.TextCare
) -> dict:
  """Writes a stream of documents, of parts of the input; as `clean`."""
  base = files.join(folder, f"text-{index:05d}")
  pieces = [
    _write(f"{base}-{number:05d}", group, settings.seed)
    for number, group in enumerate(_groups(stream, settings.piece_bytes))
  ]
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
  """Marks copies of earlier documents to be skipped; needs 8 bytes for each."""
  hashes = [piece.hashes() for piece in pieces]
  is_copy = np.ones([sum(map(len, hashes))], bool)
  is_copy[np.unique(np.concatenate(hashes), return_index=True)[1]] = False
  parts = np.split(is_copy, np.cumsum([len(part) for part in hashes])[:-1])
  return [
    dataclasses.replace(piece, skip=tuple(np.flatnonzero(part).tolist()))
    for piece, part in zip(pieces, parts, strict=True)
  ]


def document_hash(document: bytes, seed: int) -> int:
  """Hashes a document to 64 bits."""
  digest = hashlib.blake2b(str(seed).encode() + b"\n", digest_size=8)
  digest.update(document)
  return int.from_bytes(digest.digest(), "big")


def uniform(hashes: np.ndarray) -> np.ndarray:
  """Turns hashes, uint64, into numbers that are uniform in [0, 1)."""
  # 53 bits: what a float holds exactly, so that 1.0 never comes out.
  return (hashes >> np.uint64(11)).astype(np.float64) / 2**53


def validation_threshold(
  numbers: np.ndarray, share: float, at_least: int = 1, what: str = ""
) -> float:
  """Returns the number below which documents belong to validation.

  Few documents are divided by their number, to the nearest document; many (at
  least 10,000) by chance, with `share` as the threshold. Copies count once.
  Each side needs `at_least` so many different ones, else that is a `UserError`
  which says `what` documents are.

  >>> validation_threshold(np.array([0.5, 0.75, 0.875, 0.625]), 0.5)
  0.75
  """
  distinct = np.unique(numbers)
  number = len(distinct)
  errors.require(
    number >= 2 * at_least,
    f"input must hold at least {2 * at_least} different documents, "
    f"{at_least} for training and {at_least} for validation",
    f"{number} {what}".strip(),
  )
  below = int(np.sum(distinct < share))
  if number >= MANY_DOCUMENTS and at_least <= below <= number - at_least:
    return share
  place = min(max(round(share * number), at_least), number - at_least)
  return float(distinct[place])


def _counted(
  document: list[str], settings: PrepareSettings, care: text_lines.TextCare
) -> list[str]:
  """Returns the document, its words that are too long being counted."""
  if settings.is_causal:  # by bytes no word is
    return document
  config = settings.tokenizer_config
  care.counts["long_words"] += sum(
    words.number_of_long_words(sentence, config) for sentence in document
  )
  return document


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


def _write(path: str, group: list[bytes], seed: int) -> Piece:
  text = _END.join([*group, b""])
  hashes = [document_hash(document, seed) for document in group]
  # Level 1: it is written and read once.
  files.write(path, zstd.compress(text, 1))
  files.write(_hash_path(path), np.array(hashes, np.uint64).tobytes())
  return Piece(path, len(group), len(text))


def _hash_path(path: str) -> str:
  return f"{path}-hashes"
