# SPDX-License-Identifier: Apache-2.0
"""Sums up what was counted in the pieces of a dataset for translation.

For `train` and `validation` each:

| key | meaning |
| --- | --- |
| `documents`, `pairs` | those with a pair, or in the records |
| `too_long_pairs`, `uneven_pairs` | left out: beyond a length, or the ratio |
| `sequences`, `records` | which are the same |
| `source_tokens`, `target_tokens` | pieces and ends of sentences |
| `unknown_share` | share of unknown pieces among both |
| `source_padding_share`, `target_padding_share` | among the positions |
| `source_tokens_per_sequence`, `target_tokens_per_sequence` | what is real |
| `unigram_entropy` (train), `unigram_loss` (validation) | in nats a target |
"""

from collections.abc import Sequence

import numpy as np

from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import dataset_statistics
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining.pairs.pair_settings import PairSettings
from token_dropping.data.text import subword_tokenizer

_COUNTED = (
  *("documents", "pairs", "too_long_pairs", "uneven_pairs"),
  *("sequences", "records"),
)


def collect(
  tokenizer: subword_tokenizer.SubwordTokenizer,
  settings: PairSettings,
  results: Sequence[dict],
  folder: str,
) -> dict[str, dict]:
  """Sums `results` of `make_shards`, and what it left in the work folder."""
  del tokenizer
  sums = dataset_statistics.sum_splits(results, settings)
  counts = shards.sum_counts(folder, len(results))
  for array in counts.values():
    array[subword_tokenizer.PAD_ID] = 0
  statistics = {
    split: _describe(split, part, counts, settings)
    for split, part in sums.items()
  }
  train, validation = (
    counts[f"{split}_target_ids"] for split in dataset_folder.SPLITS
  )
  statistics["train"]["unigram_entropy"] = dataset_statistics.entropy(train)
  loss = dataset_statistics.unigram_loss(train, validation)
  statistics["validation"]["unigram_loss"] = loss
  return statistics


def _describe(
  split: str, part: dict, counts: dict[str, np.ndarray], settings: PairSettings
) -> dict:
  described = {name: part[name] for name in _COUNTED}
  unknown = 0
  for side, length in (
    ("source", settings.seq_length),
    ("target", settings.target_length),
  ):
    ids = counts[f"{split}_{side}_ids"]
    tokens = int(ids.sum())
    unknown += int(ids[subword_tokenizer.UNK_ID])
    a_sequence = tokens / part["sequences"]
    described[f"{side}_tokens"] = tokens
    described[f"{side}_tokens_per_sequence"] = a_sequence
    described[f"{side}_padding_share"] = 1 - a_sequence / length
  both = described["source_tokens"] + described["target_tokens"]
  return described | {"unknown_share": unknown / both}
