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

from collections.abc import Callable, Sequence

import numpy as np

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.pretraining import corpus_statistics
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import shards


def collect(
  vocab: vocabulary.Vocabulary,
  settings: prepare_settings.PrepareSettings,
  results: Sequence[dict],
  read_counts: Callable[[int], dict[str, np.ndarray]],
) -> dict[str, dict]:
  """Sums the results of all pieces.

  Args:
    vocab: the vocabulary.
    settings: what was made.
    results: of `shards.make_shards`.
    read_counts: returns `shards.read_counts` of a piece.

  Returns:
    `train` and `validation`, as in the table above.

  Raises:
    UserError: one of them has no sequence.
  """
  parts = {name: _sum(results, name) for name in shards.PARTS}
  for name, part in parts.items():
    _check_not_empty(name, part, settings)
  arrays = _sum_arrays(read_counts, len(results))
  counts = {
    name: corpus_statistics.TokenCounts(vocab, arrays[f"{name}_ids"])
    for name in parts
  }
  statistics = {
    name: _describe(part, counts[name], settings)
    for name, part in parts.items()
  }
  # With dynamic masking every token is equally likely to be predicted.
  is_static = settings.masking == "static"
  targets = (
    arrays["validation_targets"] if is_static else counts["validation"].counts
  )
  statistics["train"]["unigram_entropy"] = counts["train"].entropy()
  statistics["validation"]["unigram_loss"] = corpus_statistics.unigram_loss(
    counts["train"].counts, targets
  )
  return statistics


def _sum(results: Sequence[dict], name: str) -> dict[str, int]:
  parts = [result[name] for result in results]
  total = {
    key: sum(part[key] for part in parts) for key in parts[0] if key != "file"
  }
  files = [part["file"] for part in parts if part["file"]]
  total["records"] = sum(file["records"] for file in files)
  return total


def _check_not_empty(name: str, part: dict, settings) -> None:
  if not part["sequences"]:
    raise errors.UserError(
      f"input must fill at least one {name} sequence of seq_length "
      f"{settings.seq_length}. Received: {part['document_tokens']} tokens in "
      f"{part['documents']} {name} documents"
    )


def _sum_arrays(read_counts, number: int) -> dict[str, np.ndarray]:
  total = read_counts(0)
  for index in range(1, number):
    for name, array in read_counts(index).items():
      total[name] += array
  return total


def _describe(part: dict, counts: corpus_statistics.TokenCounts, settings):
  positions = part["sequences"] * settings.seq_length
  return {
    "documents": part["documents"],
    "sequences": part["sequences"],
    "records": part["records"],
    "tokens": counts.tokens,
    "unknown_share": counts.unknown_share,
    "dropped_tokens": part["dropped_tokens"],
    "truncated_tokens": part["truncated_tokens"],
    "padding_share": part["padding"] / positions,
    "masked_tokens": part["masked_tokens"],
  }
