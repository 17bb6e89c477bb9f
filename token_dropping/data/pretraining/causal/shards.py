# SPDX-License-Identifier: Apache-2.0
"""Third pass for causal_lm: piece -> training, validation shard.

The documents of a shard are one stream, each with an end of text behind it,
which is cut every S ids. Only the last sequence of a shard is padded.
Glossary: N sequences, S sequence length, V vocabulary.
"""

import functools
from collections.abc import Iterator

import numpy as np

from token_dropping.common import files
from token_dropping.data.pretraining import packing
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining.prepare_settings import PrepareSettings
from token_dropping.data.text import byte_tokenizer

# The same for all pieces of a worker.
_tokenizer = functools.lru_cache(maxsize=1)(byte_tokenizer.ByteTokenizer)


def tools(settings: PrepareSettings, vocab_file: str) -> tuple:
  """As of `shards.make_shards`.

  Counted are ids (`ids`, [V]) and, sparsely, what follows what in a sequence:
  `pairs`, left id * V + right id, ascending, and `pair_counts`.
  """
  tokenizer = _tokenizer(files.read(vocab_file), vocab_file)
  encode = functools.partial(_encode, tokenizer)
  return encode, functools.partial(_make_shard, settings, len(tokenizer))


def _encode(
  tokenizer: byte_tokenizer.ByteTokenizer, whole: list[list[str]]
) -> Iterator[packing.Document]:
  return shards.encode(tokenizer, map(with_line_ends, whole))


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
  ids = np.bincount(sequences.reshape(-1), minlength=vocab_size)
  counts = {
    "documents": len(docs),
    "document_tokens": sum(len(document.ids) for document in docs),
    "sequences": len(sequences),
    "padding": int(ids[byte_tokenizer.PAD_ID]),
    "file": shards.write_rows(path, {"input_word_ids": sequences[order]}),
  }
  left, right = sequences[:, :-1].astype(np.int64), sequences[:, 1:]
  pairs = (left * vocab_size + right)[right != byte_tokenizer.PAD_ID]
  pairs, numbers = np.unique(pairs, return_counts=True)
  return counts, {"ids": ids, "pairs": pairs, "pair_counts": numbers}
