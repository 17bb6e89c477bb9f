# SPDX-License-Identifier: Apache-2.0
"""Second pass: counts the words of the training documents.

Each piece has a file of counts: a Beam combiner would hold all of them in the
DirectRunner's memory, and could not prune them independently of their order.
"""

import collections
import json
from collections.abc import Callable, Iterable

from backports import zstd

from token_dropping.common import files
from token_dropping.data.pretraining import text_pieces

MAX_WORDS = 1_000_000  # different words that are kept

CountWords = Callable[[Iterable[str]], collections.Counter[str]]


def count(
  folder: str,
  count_words: CountWords,
  threshold: float,
  index: int,
  piece: text_pieces.Piece,
) -> dict:
  """Writes a piece's counts: of documents with numbers from `threshold` on."""
  whole, numbers = piece.read()
  words = count_words(
    sentence
    for document, number in zip(whole, numbers, strict=True)
    if number >= threshold
    for sentence in document
  )
  content = json.dumps(_most_frequent(words)).encode()
  files.write(_path(folder, index), zstd.compress(content, 1))
  return {"bytes": piece.bytes, "documents": len(whole)}


def total(folder: str, pieces: int) -> collections.Counter[str]:
  """Sums the counts of all pieces, in order, in bounded memory."""
  words: collections.Counter[str] = collections.Counter()
  for index in range(pieces):
    content = zstd.decompress(files.read(_path(folder, index)))
    words.update(json.loads(content))
    if len(words) > 4 * MAX_WORDS:
      words = _most_frequent(words)
  return _most_frequent(words)


def _most_frequent(words: collections.Counter[str]) -> collections.Counter[str]:
  """Returns at most `MAX_WORDS` words; of equals the first by name."""
  if len(words) <= MAX_WORDS:
    return words
  ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))
  return collections.Counter(dict(ranked[:MAX_WORDS]))


def _path(folder: str, index: int) -> str:
  return files.join(folder, f"words-{index:05d}")
