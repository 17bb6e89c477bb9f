# SPDX-License-Identifier: Apache-2.0
"""Second pass: which pairs have a source that stood before, in any piece.

They are left out whatever their translation is: the same sentence in training
and validation would be scored as translated when it was learnt by heart.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from token_dropping.common import files
from token_dropping.data.pretraining import text_pieces

MOST = 1 << 22  # hashes in memory


@dataclasses.dataclass(frozen=True)
class PairPiece(text_pieces.Piece):
  """A piece of pairs, beside which `mark` has said what are copies."""

  def read(self) -> tuple[list[list[str]], np.ndarray]:
    """Reads the documents without copies, maybe empty, and their numbers."""
    whole, numbers = super().read()
    is_copy = iter(np.frombuffer(files.read(_copies_path(self.path)), bool))
    # Lines come first: at their end none of the marks is taken.
    return [
      [line for line, copy in zip(lines, is_copy, strict=False) if not copy]
      for lines in whole
    ], numbers


def hash_sources(seed: int, index: int, piece: text_pieces.Piece) -> dict:
  """Writes the hashes of a piece's sources beside it, [pairs] uint64."""
  del index
  whole, _ = piece.read()
  hashes = [
    text_pieces.document_hash(line.partition("\t")[0].encode(), seed)
    for lines in whole
    for line in lines
  ]
  content = np.array(hashes, np.uint64).tobytes()
  files.write(_sources_path(piece.path), content)
  return {"bytes": piece.bytes, "documents": len(whole)}


def mark(pieces: Sequence[text_pieces.Piece]) -> tuple[list[PairPiece], int]:
  """Returns the pieces with their copies marked, and how many these are.

  In memory are a byte a pair and, at a time, about `MOST` hashes: those that
  leave the same rest when divided by the number of rounds.
  """
  sizes = [files.size(_sources_path(piece.path)) // 8 for piece in pieces]
  starts = np.cumsum([0, *sizes])
  rounds = max(-(-int(starts[-1]) // MOST), 1)
  is_copy = np.zeros([starts[-1]], bool)
  for number in range(rounds):
    parts = list(_hashes(pieces, starts, rounds, number))
    places, hashes = map(np.concatenate, zip(*parts, strict=True))
    first = np.unique(hashes, return_index=True)[1]
    is_copy[np.delete(places, first)] = True
  made = []
  for piece, marks in zip(pieces, np.split(is_copy, starts[1:-1]), strict=True):
    files.write(_copies_path(piece.path), marks.tobytes())
    made.append(PairPiece(**dataclasses.asdict(piece)))
  return made, int(is_copy.sum())


def _hashes(pieces, starts, rounds: int, number: int) -> Iterator[tuple]:
  """Yields places and hashes of one round, of each piece."""
  for piece, start in zip(pieces, starts[:-1], strict=True):
    hashes = np.frombuffer(files.read(_sources_path(piece.path)), np.uint64)
    own = np.flatnonzero(hashes % np.uint64(rounds) == number)
    yield start + own, hashes[own]


def _sources_path(path: str) -> str:
  return f"{path}-sources"


def _copies_path(path: str) -> str:
  return f"{path}-copies"
