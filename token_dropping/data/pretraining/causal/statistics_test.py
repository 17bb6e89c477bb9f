# SPDX-License-Identifier: Apache-2.0
"""Tests of the statistics of causal data, counted by hand."""

import io
import itertools
import math

import numpy as np
import pytest

from tests import causal_testing
from token_dropping.common import files
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining.causal import statistics

# Two pieces of sequences of 8 ids; ids from 2 on are of some bytes.
TRAIN = [[[5, 6, 5, 6, 1, 5, 5, 6]], [[6, 5, 1, 0, 0, 0, 0, 0]]]
VALIDATION = [[[5, 6, 1, 6, 7, 1, 0, 0]], [[5, 6, 6, 1, 0, 0, 0, 0]]]


def _arrays(rows: list[list[int]], size: int) -> dict[str, np.ndarray]:
  pairs = [
    left * size + right
    for row in rows
    for left, right in itertools.pairwise(row)
    if right
  ]
  pairs, counts = np.unique(np.array(pairs, np.int64), return_counts=True)
  ids = np.bincount(np.ravel(rows), minlength=size)
  return {"ids": ids, "pairs": pairs, "pair_counts": counts}


def _collect(folder) -> dict:
  tokenizer = causal_testing.tokenizer()
  results = []
  for index, parts in enumerate(zip(TRAIN, VALIDATION, strict=True)):
    arrays, counts = {}, {}
    for split, rows in zip(("train", "validation"), parts, strict=True):
      made = _arrays(rows, len(tokenizer))
      arrays |= {f"{split}_{name}": array for name, array in made.items()}
      counts[split] = {
        **{"documents": 2, "document_tokens": 9, "sequences": 1},
        **{"padding": int(made["ids"][0]), "file": {"records": 1}},
      }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    files.write(str(folder / f"counts-{index:05d}"), buffer.getvalue())
    results.append(counts)
  settings = prepare_settings.PrepareSettings(
    output_dir="out", objective="causal_lm", seq_length=8
  )
  return statistics.collect(tokenizer, settings, results, str(folder))


def test_counts_and_losses(tmp_path):
  found = _collect(tmp_path)
  train, validation = found["train"], found["validation"]
  tokenizer = causal_testing.tokenizer()
  size, lengths = len(tokenizer), [len(piece) for piece in tokenizer.pieces]
  assert train["documents"] == 4 and train["sequences"] == train["records"] == 2
  assert train["tokens"] == 11 and train["padding_share"] == 5 / 16
  assert train["bytes"] == 5 * lengths[5] + 4 * lengths[6]
  assert validation["bytes_per_token"] == validation["bytes"] / 10
  shares = np.array([5, 4, 2]) / 11
  entropy = -(shares * np.log(shares)).sum()
  assert train["unigram_entropy"] == pytest.approx(entropy)
  # What follows something: 6, 1, 6, 7, 1 and 6, 6, 1.
  unigram = {5: 6, 6: 5, 1: 3, 7: 1}
  unigram = {i: count / (11 + size) for i, count in unigram.items()}
  loss = -(4 * math.log(unigram[6]) + 3 * math.log(unigram[1])) / 8
  loss -= math.log(unigram[7]) / 8
  assert validation["unigram_loss"] == pytest.approx(loss)
  # In the training text 5 precedes 5 ids, three times 6; 6 precedes 3, once 1
  # and never 6 or 7; 1 precedes one 5 and never 6.
  shares = [
    *[(3 + 10 * unigram[6]) / (5 + 10)] * 2,
    *[(1 + 10 * unigram[1]) / (3 + 10)] * 2,
    (0 + 10 * unigram[6]) / (1 + 10),
    (0 + 10 * unigram[7]) / (3 + 10),
    (0 + 10 * unigram[1]) / (0 + 10),
    (0 + 10 * unigram[6]) / (3 + 10),
  ]
  loss = -np.log(shares).mean()
  assert validation["bigram_loss"] == pytest.approx(loss)
  bits = loss / math.log(2) / validation["bytes_per_token"]
  assert validation["bigram_bits_per_byte"] == pytest.approx(bits)


def test_memory_is_bounded(tmp_path, monkeypatch):
  """The first pieces of the validation text stand for it."""
  whole = _collect(tmp_path)["validation"]
  monkeypatch.setattr(statistics, "MAX_PAIRS", 1)
  first = _collect(tmp_path)["validation"]
  assert first["tokens"] == whole["tokens"]
  assert first["bigram_loss"] != whole["bigram_loss"]
