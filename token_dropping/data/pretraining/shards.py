# SPDX-License-Identifier: Apache-2.0
"""Third pass: piece, its number and settings -> training, validation shard."""

import dataclasses
import functools
import io
import os
import tempfile
from collections.abc import Iterator

import numpy as np

from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.data.batches import masking
from token_dropping.data.pretraining import packing
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.text import tokenizer_config
from token_dropping.data.text import wordpiece

PARTS = ("train", "validation")
_BLOCK = 1024  # sequences masked at a time


@dataclasses.dataclass
class _Part:
  """The training or the validation data of a piece."""

  packed: packing.Packed
  order: np.ndarray  # [records] indices of sequences, as they are in the file
  rng: np.random.Generator  # draws the masks
  targets: np.ndarray  # [V] how often an id is to be predicted, from `_blocks`


def make_shards(
  folder: str,
  settings: prepare_settings.PrepareSettings,
  vocab_file: str,
  threshold: float,
  index: int,
  piece: text_pieces.Piece,
) -> dict:
  """Encodes, packs, masks, writes a piece; numbers below `threshold` validate.

  Returns `bytes` and `documents`, for progress, and for each part its counts
  and, unless it has no record, `file` with `name`, `records`, `bytes` and
  `crc32`. The times that each id occurs are in a file, for `read_counts`.
  """
  vocab, encoder = _vocabulary(
    files.read(vocab_file), vocab_file, settings.tokenizer_config
  )
  whole, numbers = piece.read()
  encoded = list(encoder.encode(whole))
  result = {"bytes": piece.bytes, "documents": len(whole)}
  counts = {}
  for stream, name in enumerate(PARTS):
    inside = (numbers < threshold) == (name == "validation")
    docs = [encoded[i] for i in np.flatnonzero(inside) if len(encoded[i].ids)]
    rng = np.random.default_rng([settings.seed, stream, index])
    part = _part(settings, vocab, docs, name, rng)
    file = _write(folder, f"{name}-{index:05d}", _blocks(part, settings, vocab))
    result[name] = _counts(part, docs, file)
    ids = part.packed.word_ids.reshape(-1)
    counts[f"{name}_ids"] = np.bincount(ids, minlength=len(vocab))
    counts[f"{name}_targets"] = part.targets
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **counts)
  files.write(_counts_path(folder, index), buffer.getvalue())
  return result


def read_counts(folder: str, index: int) -> dict[str, np.ndarray]:
  """Returns what `make_shards` counted in a piece, each [V].

  `train_ids` and `validation_ids` are the times that each id stands in a
  sequence, `train_targets` and `validation_targets` those that it is predicted.
  """
  with np.load(io.BytesIO(files.read(_counts_path(folder, index)))) as arrays:
    return dict(arrays)


@functools.lru_cache(maxsize=1)
def _vocabulary(
  content: bytes, path: str, config: tokenizer_config.TokenizerConfig
) -> tuple[vocabulary.Vocabulary, wordpiece.Encoder]:
  """Returns vocabulary and encoder, the same for all pieces of a worker."""
  vocab = vocabulary.Vocabulary.from_bytes(content, path)
  return vocab, wordpiece.Encoder(vocab, config)


def _part(settings, vocab, docs, name, rng) -> _Part:
  packed = packing.pack(
    settings.packing, docs, settings.seq_length, vocab.special_ids, rng
  )
  copies = settings.duplicates if name == "train" else 1
  order = np.repeat(np.arange(len(packed)), copies)
  if name == "train":
    rng.shuffle(order)
  return _Part(packed, order, rng, np.zeros([len(vocab)], np.int64))


def _blocks(part: _Part, settings, vocab) -> Iterator[dict[str, np.ndarray]]:
  """Yields the features of the records, some sequences at a time."""
  is_static = settings.masking == "static"
  features = (_masked_features if is_static else _plain_features)(
    settings, vocab
  )
  for start in range(0, len(part.order), _BLOCK):
    rows = part.order[start : start + _BLOCK]
    yield {**features(part, rows), **part.packed.labels(rows)}


def _masked_features(settings, vocab):
  masker = masking.Masker(
    vocab, settings.masking_rate, settings.max_predictions_per_seq
  )

  def features(part: _Part, rows: np.ndarray) -> dict[str, np.ndarray]:
    masked = masker.mask(part.packed.word_ids[rows], part.rng)
    used = masked.ids[masked.weights > 0]
    part.targets += np.bincount(used, minlength=len(part.targets))
    return {
      "input_word_ids": masked.word_ids.astype(np.int64),
      "input_mask": part.packed.input_mask(rows),
      "input_type_ids": part.packed.type_ids(rows),
      "masked_lm_positions": masked.positions,
      "masked_lm_ids": masked.ids,
      "masked_lm_weights": masked.weights,
    }

  return features


def _plain_features(settings, vocab):
  starts = masking.starts_word(vocab)

  def features(part: _Part, rows: np.ndarray) -> dict[str, np.ndarray]:
    word_ids = part.packed.word_ids[rows]
    result = {
      "input_word_ids": word_ids.astype(np.int64),
      "word_starts": starts[word_ids],
    }
    if settings.packing == "pairs":
      result["input_type_ids"] = part.packed.type_ids(rows)
    return result

  return features


def _write(folder: str, name: str, blocks) -> dict | None:
  """Writes a shard to the work folder; none of no records."""
  with tempfile.TemporaryDirectory() as local:
    path = os.path.join(local, name)
    number = records.write_records(path, blocks)
    if not number:
      return None
    files.copy(path, files.join(folder, name))
    return {"name": name, "records": number, **files.describe(path)}


def _counts(part: _Part, docs, file: dict | None) -> dict:
  return {
    "documents": len(docs),
    "document_tokens": sum(len(document.ids) for document in docs),
    "sequences": len(part.packed),
    "dropped_tokens": part.packed.dropped_tokens,
    "truncated_tokens": part.packed.truncated_tokens,
    "padding": part.packed.padding,
    "masked_tokens": int(part.targets.sum()),
    "file": file,
  }


def _counts_path(folder: str, index: int) -> str:
  return files.join(folder, f"counts-{index:05d}")
