# SPDX-License-Identifier: Apache-2.0
"""Sums up what was counted in the pieces of a dataset.

For `train` and `validation` each:

| key | meaning |
| --- | --- |
| `documents` | documents with at least one token |
| `sequences`, `records` | packed sequences; times duplicates |
| `tokens` | in the sequences, special tokens other than `[UNK]` left out |
| `unknown_share` | share of `[UNK]` among them |
| `dropped_tokens`, `truncated_tokens` | see `packing.Packed` |
| `padding_share` | share of `[PAD]` among all positions |
| `masked_tokens` | predictions in the records; 0 if masking is dynamic |
| `unigram_entropy` (train), `unigram_loss` (validation) | in nats |
"""

from collections.abc import Sequence

import numpy as np

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining.prepare_settings import PrepareSettings

PRIOR = 10.0
_LEFT_OUT = ("too_long_pairs", "uneven_pairs")  # of translation


def collect(
  vocab: vocabulary.Vocabulary,
  settings: PrepareSettings,
  results: Sequence[dict],
  folder: str,
) -> dict[str, dict]:
  """Sums `results` of `make_shards`, and what it left in the work folder."""
  sums = sum_splits(results, settings)
  arrays = shards.sum_counts(folder, len(results))
  statistics = {
    split: _describe(vocab, part, arrays[f"{split}_ids"], settings.seq_length)
    for split, part in sums.items()
  }
  train = ordinary(vocab, arrays["train_ids"])
  targets = arrays["validation_targets"]
  if settings.masking == "dynamic":  # every token is equally likely
    targets = ordinary(vocab, arrays["validation_ids"])
  statistics["train"]["unigram_entropy"] = entropy(train)
  statistics["validation"]["unigram_loss"] = unigram_loss(train, targets)
  return statistics


def sum_splits(
  results: Sequence[dict], settings: PrepareSettings
) -> dict[str, dict[str, int]]:
  """Sums the counts of all pieces, by split; refuses text that is too short."""
  sums = {split: _sum(results, split) for split in dataset_folder.SPLITS}
  for split, part in sums.items():
    left_out = "".join(
      f", {count:,} {name.replace('_', ' ')}"
      for name, count in part.items()
      if name in _LEFT_OUT and count
    )
    errors.require(
      part["sequences"] > 0,
      f"input must fill at least one {split} sequence of seq_length "
      f"{settings.seq_length}",
      f"{part['document_tokens']} tokens in {part['documents']} {split} "
      f"documents{left_out}",
    )
  return sums


def ordinary(vocab: vocabulary.Vocabulary, counts: np.ndarray) -> np.ndarray:
  """Returns how often each id occurs, [V], with 0 for special tokens."""
  counts = counts.copy()
  counts[list(vocab.special_ids.values())] = 0
  return counts


def entropy(counts: np.ndarray) -> float:
  """Entropy in nats of counts [V], the loss if only frequencies are known."""
  counts = counts[counts > 0]
  if not len(counts):
    return 0.0
  share = counts / counts.sum()
  return float(-(share * np.log(share)).sum())


def unigram_loss(train_counts: np.ndarray, target_counts: np.ndarray) -> float:
  """Mean cross-entropy in nats of targets under the training distribution.

  `p(v) = (train_counts[v] + 1) / (sum + V)`, so that no id has probability 0;
  special tokens have the count 0. With the targets of the validation set this
  is the masked-LM loss of the best guess that ignores the context: a model has
  learned something only if its loss is below.

  >>> round(unigram_loss(np.array([2, 0]), np.array([1, 1])), 4)  # 3/4 and 1/4
  0.837
  """
  smoothed = train_counts + 1.0
  log_share = np.log(smoothed / smoothed.sum())
  total = max(int(target_counts.sum()), 1)
  return float(-(target_counts * log_share).sum() / total)


def neighbour_share(
  pairs: np.ndarray, left: np.ndarray, unigram: np.ndarray
) -> np.ndarray:
  """Returns the probability of tokens given their left neighbours, [n].

      p(w | left) = (c(left, w) + a p(w)) / (c(left) + a),  a = 10

  (MacKay & Peto, 1995, "A hierarchical Dirichlet language model", `a` fixed),
  of `pairs` c(left, w), `left` c(left) and `unigram` p(w), each [n].
  """
  return (pairs + PRIOR * unigram) / (left + PRIOR)


def _sum(results: Sequence[dict], split: str) -> dict[str, int]:
  parts = [result[split] for result in results]
  made = [part["file"] for part in parts if part["file"]]
  return {
    key: sum(part[key] for part in parts) for key in parts[0] if key != "file"
  } | {"records": sum(file["records"] for file in made)}


def _describe(vocab, part: dict, ids: np.ndarray, seq_length: int) -> dict:
  unknown = int(ids[vocab.special_ids[vocabulary.UNK]])
  tokens = int(ordinary(vocab, ids).sum()) + unknown
  return {
    "documents": part["documents"],
    "sequences": part["sequences"],
    "records": part["records"],
    "tokens": tokens,
    "unknown_share": unknown / max(tokens, 1),
    "dropped_tokens": part["dropped_tokens"],
    "truncated_tokens": part["truncated_tokens"],
    "padding_share": part["padding"] / (part["sequences"] * seq_length),
    "masked_tokens": part["masked_tokens"],
  }
