# SPDX-License-Identifier: Apache-2.0
"""Sums up what was counted in the pieces of a dataset for causal_lm.

For `train` and `validation` each:

| key | meaning |
| --- | --- |
| `documents`, `sequences`, `records` | the last two are the same |
| `tokens` | those of the text and the end of each document |
| `bytes`, `bytes_per_token` | of the text, as UTF-8 |
| `padding_share` | share of padding among all positions |
| `unigram_entropy` (train) | in nats a token |
| `unigram_loss`, `bigram_loss` (validation) | likewise |
| `unigram_bits_per_byte` (validation) | the loss / ln 2 / bytes a token |
| `bigram_bits_per_byte` (validation) | likewise |

The losses are those of guessing each token that follows another in a sequence,
from how often it stands in the training text, and from its left neighbour
(`dataset_statistics.neighbour_share`). They are means over the first some
million tokens of the validation text.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import dataset_statistics
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining.prepare_settings import PrepareSettings
from token_dropping.data.text import byte_tokenizer

MAX_PAIRS = 1 << 24  # different ones, of validation, in memory


def collect(
  tokenizer: byte_tokenizer.ByteTokenizer,
  settings: PrepareSettings,
  results: Sequence[dict],
  folder: str,
) -> dict[str, dict]:
  """Sums `results` of `make_shards`, and what it left in the work folder."""
  sums = dataset_statistics.sum_splits(results, settings)
  size, pieces = len(tokenizer), len(results)
  lengths = np.array([len(piece) for piece in tokenizer.pieces])
  statistics = {}
  for split in dataset_folder.SPLITS:
    counts = [array["ids"] for array in _arrays(folder, split, pieces)]
    ids = np.sum(counts, axis=0)
    ids[byte_tokenizer.PAD_ID] = 0
    statistics[split] = _describe(sums[split], ids, lengths, settings)
    if split == "train":
      train_ids = ids
  targets, numbers = _validation_pairs(folder, pieces)
  right = np.bincount(targets % size, numbers, size)
  losses = {
    "unigram": dataset_statistics.unigram_loss(train_ids, right),
    "bigram": _bigram_loss(folder, pieces, train_ids, targets, numbers),
  }
  statistics["train"]["unigram_entropy"] = dataset_statistics.entropy(train_ids)
  part = statistics["validation"]
  for name, loss in losses.items():
    part[f"{name}_loss"] = loss
    bits = loss / math.log(2) / part["bytes_per_token"]
    part[f"{name}_bits_per_byte"] = bits
  return statistics


def _arrays(folder: str, split: str, pieces: int) -> Iterator[dict]:
  """Yields the arrays of each piece by name."""
  for index in range(pieces):
    arrays = shards.read_counts(folder, index)
    yield {
      name: arrays[f"{split}_{name}"]
      for name in ("ids", "pairs", "pair_counts")
    }


def _describe(part: dict, ids: np.ndarray, lengths, settings) -> dict:
  tokens, size = int(ids.sum()), int((ids * lengths).sum())
  return {
    **{name: part[name] for name in ("documents", "sequences", "records")},
    "tokens": tokens,
    "bytes": size,
    "bytes_per_token": size / tokens,
    "padding_share": part["padding"]
    / (part["sequences"] * settings.seq_length),
  }


def _validation_pairs(
  folder: str, pieces: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the pairs of the validation text, ascending, and their numbers."""
  pairs = np.zeros([0], np.int64)
  numbers = np.zeros([0], np.int64)
  for arrays in _arrays(folder, "validation", pieces):
    if len(pairs) >= MAX_PAIRS:
      break
    both = np.concatenate([pairs, arrays["pairs"]])
    counts = np.concatenate([numbers, arrays["pair_counts"]])
    pairs, places = np.unique(both, return_inverse=True)
    numbers = np.bincount(places, counts, len(pairs)).astype(np.int64)
  return pairs, numbers


def _bigram_loss(
  folder: str, pieces: int, train_ids: np.ndarray, pairs, numbers
) -> float:
  """Mean loss in nats of `numbers` of pairs, each token given its left one."""
  size = len(train_ids)
  seen, before = np.zeros([len(pairs)]), np.zeros([size])
  for arrays in _arrays(folder, "train", pieces):
    counts = arrays["pair_counts"]
    before += np.bincount(arrays["pairs"] // size, counts, size)
    _, ours, theirs = np.intersect1d(
      pairs, arrays["pairs"], assume_unique=True, return_indices=True
    )
    seen[ours] += counts[theirs]
  unigram = (train_ids + 1) / (train_ids.sum() + size)
  share = dataset_statistics.neighbour_share(
    seen, before[pairs // size], unigram[pairs % size]
  )
  return float(-(numbers * np.log(share)).sum() / numbers.sum())
