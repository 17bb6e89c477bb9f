# SPDX-License-Identifier: Apache-2.0
"""Third pass for causal_lm: piece -> training, validation shard.

The documents of a shard are one stream, each with an end of text behind it,
which is cut every S ids. Only the last sequence of a shard is padded.
Glossary: N sequences, S sequence length, V vocabulary.
"""

import functools

import numpy as np

from token_dropping.common import files
from token_dropping.data.pretraining import packing
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining.prepare_settings import PrepareSettings
from token_dropping.data.text import byte_tokenizer

_BLOCK = 1024  # sequences written at a time


def make_shards(
  folder: str,
  settings: PrepareSettings,
  vocab_file: str,
  threshold: float,
  index: int,
  piece: text_pieces.Piece,
) -> dict:
  """Encodes, packs and writes a piece; see `shards.write_shards`.

  Counted are ids (`ids`, [V]) and, sparsely, what follows what in a sequence:
  `pairs`, left id * V + right id, ascending, and `pair_counts`.
  """
  tokenizer = _tokenizer(files.read(vocab_file), vocab_file)
  make_shard = functools.partial(_make_shard, settings, len(tokenizer))
  whole, numbers = piece.read()
  docs = list(shards.encode(tokenizer, map(with_line_ends, whole)))
  inside = numbers < threshold
  return shards.write_shards(
    folder, settings, index, piece, docs, inside, make_shard
  )


def with_line_ends(lines: list[str]) -> list[str]:
  """Returns lines that together are the text.

  >>> with_line_ends(["one", "two"])
  ['one\\n', 'two']
  """
  return [*(f"{line}\n" for line in lines[:-1]), lines[-1]]


def pack(docs: packing.Documents, seq_length: int) -> np.ndarray:
  """Returns sequences, [N, S] int32.

  >>> docs = [packing.Document(np.array(ids), None) for ids in ([7, 8], [9])]
  >>> pack(docs, 3).tolist()
  [[7, 8, 1], [9, 1, 0]]
  """
  end = np.array([byte_tokenizer.END_OF_TEXT_ID], np.int32)
  parts = [part for doc in docs for part in (doc.ids, end)]
  stream = np.concatenate(parts) if parts else end[:0]
  padded = np.pad(stream, (0, -len(stream) % seq_length))  # PAD_ID is 0
  return padded.reshape(-1, seq_length)


def _make_shard(
  settings, vocab_size: int, path: str, split: str, docs, rng
) -> tuple[dict, dict[str, np.ndarray]]:
  sequences = pack(docs, settings.seq_length)
  order = np.arange(len(sequences))
  if split == "train":
    rng.shuffle(order)
  blocks = (
    {
      "input_word_ids": sequences[order[start : start + _BLOCK]].astype(
        np.int64
      )
    }
    for start in range(0, len(order), _BLOCK)
  )
  ids = np.bincount(sequences.reshape(-1), minlength=vocab_size)
  counts = {
    "documents": len(docs),
    "document_tokens": sum(len(document.ids) for document in docs),
    "sequences": len(sequences),
    "padding": int(ids[byte_tokenizer.PAD_ID]),
    "file": shards.write_records(path, blocks),
  }
  left, right = sequences[:, :-1].astype(np.int64), sequences[:, 1:]
  pairs = (left * vocab_size + right)[right != byte_tokenizer.PAD_ID]
  pairs, numbers = np.unique(pairs, return_counts=True)
  return counts, {"ids": ids, "pairs": pairs, "pair_counts": numbers}


@functools.lru_cache(maxsize=1)
def _tokenizer(content: bytes, path: str) -> byte_tokenizer.ByteTokenizer:
  """Returns the tokenizer, the same for all pieces of a worker."""
  return byte_tokenizer.ByteTokenizer(content, path)
