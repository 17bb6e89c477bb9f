# SPDX-License-Identifier: Apache-2.0
"""Third pass: piece, its number and settings -> training, validation shard."""

import functools
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.data.batches import masking
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import packing
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining.prepare_settings import PrepareSettings
from token_dropping.data.text import byte_tokenizer
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config

_BLOCK = 1024  # sequences masked, or written, at a time
_SENTENCES = 4096  # tokenized in one call


def tools(settings: PrepareSettings, vocab_file: str) -> tuple:
  """Returns what encodes documents, and what packs and masks their shard.

  Of each id is counted how often it stands in a sequence (`ids`, [V]), and how
  often it is predicted (`targets`, [V]).
  """
  tokenizer = _tokenizer(
    files.read(vocab_file), vocab_file, settings.tokenizer_config
  )
  make_shard = functools.partial(_make_shard, settings, tokenizer.vocab)
  return functools.partial(encode, tokenizer), make_shard


def make_shards(
  tools_of: Callable,
  folder: str,
  settings: PrepareSettings,
  vocab_file: str,
  threshold: float,
  index: int,
  piece: text_pieces.Piece,
) -> dict:
  """Writes the shards of a piece; documents below the threshold validate.

  `tools_of`, of settings and vocabulary, returns two functions: one encodes
  documents, lists of lines; the other, of path, split, documents and generator,
  writes a shard, and returns counts and, by name, more of them as arrays.

  Returns `bytes` and `documents`, for progress, and for each split its counts
  and, unless it has no record, `file` with `name`, `records`, `bytes` and
  `crc32`. The arrays are in a file, for `read_counts`.
  """
  encoded, make_shard = tools_of(settings, vocab_file)
  whole, numbers = piece.read()
  docs = list(encoded(whole))
  result = {"bytes": piece.bytes, "documents": len(docs)}
  counts = {}
  for stream, split in enumerate(dataset_folder.SPLITS):
    inside = (numbers < threshold) == (split == "validation")
    own = [docs[i] for i in np.flatnonzero(inside) if len(docs[i])]
    rng = np.random.default_rng([settings.seed, stream, index])
    path = files.join(folder, f"{split}-{index:05d}")
    result[split], arrays = make_shard(path, split, own, rng)
    counts |= {f"{split}_{name}": array for name, array in arrays.items()}
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **counts)
  files.write(_counts_path(folder, index), buffer.getvalue())
  return result


def _make_shard(
  settings, vocab, path: str, split: str, docs: packing.Documents, rng
) -> tuple[dict, dict[str, np.ndarray]]:
  packed = packing.pack(
    settings.packing, docs, settings.seq_length, vocab.special_ids, rng
  )
  order = np.arange(len(packed))
  if split == "train":
    order = np.repeat(order, settings.duplicates)
    rng.shuffle(order)
  targets = np.zeros([len(vocab)], np.int64)
  blocks = _blocks(settings, vocab, packed, order, rng, targets)
  file = write_records(path, blocks)
  counts = {
    "documents": len(docs),
    "document_tokens": sum(len(document.ids) for document in docs),
    "sequences": len(packed),
    "dropped_tokens": packed.dropped_tokens,
    "truncated_tokens": packed.truncated_tokens,
    "padding": packed.padding,
    "masked_tokens": int(targets.sum()),
    "file": file,
  }
  ids = packed.word_ids.reshape(-1)
  ids = np.bincount(ids, minlength=len(vocab))
  return counts, {"ids": ids, "targets": targets}


def read_counts(folder: str, index: int) -> dict[str, np.ndarray]:
  """Returns the arrays of a piece by split and name, such as `train_ids`."""
  with np.load(io.BytesIO(files.read(_counts_path(folder, index)))) as arrays:
    return dict(arrays)


def sum_counts(folder: str, pieces: int) -> dict[str, np.ndarray]:
  """Returns the sums over all pieces of what `read_counts` returns of each."""
  sums = read_counts(folder, 0)
  for index in range(1, pieces):
    for name, array in read_counts(folder, index).items():
      sums[name] += array
  return sums


def encode(
  tokenizer: tokenizer_lib.Tokenizer | byte_tokenizer.ByteTokenizer,
  documents: Iterable[list[str]],
) -> Iterator[packing.Document]:
  """Yields the ids of each list of sentences; those without a token vanish."""
  for batch in _batches(documents):
    sentences = [sentence for document in batch for sentence in document]
    ragged = tokenizer.tokenize(tf.constant(sentences, tf.string))
    ids, ends = ragged.flat_values.numpy(), ragged.row_splits.numpy()
    first = 0
    for document in batch:
      offsets = ends[first : first + len(document) + 1]
      is_new = np.diff(offsets, prepend=-1) > 0  # else the sentence is empty
      yield packing.Document(
        # A copy: a view would keep the whole batch in memory.
        ids=ids[offsets[0] : offsets[-1]].copy(),
        offsets=(offsets[is_new] - offsets[0]).astype(np.int32),
      )
      first += len(document)


def _batches(documents: Iterable[list[str]]) -> Iterator[list[list[str]]]:
  batch: list[list[str]] = []
  sentences = 0
  for document in documents:
    batch.append(document)
    sentences += len(document)
    if sentences >= _SENTENCES:
      yield batch
      batch, sentences = [], 0
  if batch:
    yield batch


@functools.lru_cache(maxsize=1)
def _tokenizer(
  content: bytes, path: str, config: tokenizer_config.TokenizerConfig
) -> tokenizer_lib.Tokenizer:
  """Returns the tokenizer, the same for all pieces of a worker."""
  vocab = vocabulary.Vocabulary.from_bytes(content, path)
  return tokenizer_lib.Tokenizer(vocab, config)


def _blocks(
  settings, vocab, packed: packing.Packed, order: np.ndarray, rng, targets
) -> Iterator[dict[str, np.ndarray]]:
  """Yields the features of some records at a time; adds to `targets`, [V].

  `order` has the indices of the sequences as they are to be in the file.
  """
  is_static = settings.masking == "static"
  starts = masking.starts_word(vocab)
  masker = masking.Masker(
    vocab, settings.masking_rate, settings.max_predictions_per_seq
  )
  for start in range(0, len(order), _BLOCK):
    rows = order[start : start + _BLOCK]
    word_ids = packed.word_ids[rows]
    features = packed.labels(rows)
    if is_static or settings.packing == "pairs":
      features["input_type_ids"] = packed.type_ids(rows)
    if is_static:
      masked = masker.mask(word_ids, rng)
      used = masked.ids[masked.weights > 0]
      targets += np.bincount(used, minlength=len(targets))
      word_ids = masked.word_ids
      features["input_mask"] = packed.input_mask(rows)
      features["masked_lm_positions"] = masked.positions
      features["masked_lm_ids"] = masked.ids
      features["masked_lm_weights"] = masked.weights
    else:
      features["word_starts"] = starts[word_ids]
    yield features | {"input_word_ids": word_ids.astype(np.int64)}


def write_rows(path: str, rows: dict[str, np.ndarray]) -> dict | None:
  """Writes records, features of equally many rows of integers."""
  starts = range(0, len(next(iter(rows.values()))), _BLOCK)
  blocks = (
    {n: every[i : i + _BLOCK].astype(np.int64) for n, every in rows.items()}
    for i in starts
  )
  return write_records(path, blocks)


def write_records(path: str, blocks) -> dict | None:
  """Writes a shard to the work folder; none of no records."""
  name = os.path.basename(path)
  with tempfile.TemporaryDirectory() as folder:
    local = os.path.join(folder, name)
    number = records.write_records(local, blocks)
    if not number:
      return None
    files.copy(local, path)
    return {"name": name, "records": number, **files.describe(local)}


def _counts_path(folder: str, index: int) -> str:
  return files.join(folder, f"counts-{index:05d}")
