# SPDX-License-Identifier: Apache-2.0
"""Second pass: counts the words of the training documents, for the vocabulary.

Each piece has a file of counts: a Beam combiner would hold all of them in the
DirectRunner's memory, and could not prune them independently of their order.
"""

import collections
import json

from backports import zstd

from token_dropping.common import files
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.text import wordpiece

MAX_WORDS = 1_000_000  # different words that are kept


def count(
  folder: str,
  settings: prepare_settings.PrepareSettings,
  threshold: float,
  index: int,
  piece: text_pieces.Piece,
) -> dict:
  """Writes a piece's counts: of documents with numbers from `threshold` on."""
  counter = wordpiece.WordCounter(settings.tokenizer_config)
  whole, numbers = piece.read()
  for document, number in zip(whole, numbers, strict=True):
    if number >= threshold:
      counter.add(document)
  content = json.dumps(most_frequent(counter.words())).encode()
  files.write(_path(folder, index), zstd.compress(content, 1))
  return {"bytes": piece.bytes, "documents": len(whole)}


def total(folder: str, pieces: int) -> collections.Counter[str]:
  """Sums the counts of all pieces, in order, in bounded memory."""
  words: collections.Counter[str] = collections.Counter()
  for index in range(pieces):
    content = zstd.decompress(files.read(_path(folder, index)))
    words.update(json.loads(content))
    if len(words) > 4 * MAX_WORDS:
      words = most_frequent(words)
  return most_frequent(words)


def most_frequent(words: collections.Counter[str]) -> collections.Counter[str]:
  """Returns the 1,000,000 most frequent words; of equals the first by name."""
  if len(words) <= MAX_WORDS:
    return words
  ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))
  return collections.Counter(dict(ranked[:MAX_WORDS]))


def _path(folder: str, index: int) -> str:
  return files.join(folder, f"words-{index:05d}")
