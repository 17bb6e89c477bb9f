# SPDX-License-Identifier: Apache-2.0
"""Tests of losses without a network, counted by hand."""

import math
import pathlib

import numpy as np
import pytest

from tests import pair_testing
from tests import testing
from token_dropping.data.pretraining import dataset_statistics
from token_dropping.study import text_losses
from token_dropping.tasks import experiments

V = testing.VOCAB_SIZE


def _record(ids: list[int], place: int, token: int) -> dict:
  """Returns a record in which `token` is masked at a place."""
  seen = [*ids]
  seen[place] = 4
  return testing.random_features(0) | {
    "input_word_ids": seen,
    "masked_lm_positions": [place, 0, 0],
    "masked_lm_ids": [token, 0, 0],
    "masked_lm_weights": [1.0, 0.0, 0.0],
  }


@pytest.fixture
def params(tmp_path):
  """An experiment whose training text is 5 6 5 6 ... and, once, 5 7."""
  ids = [5, 6] * (testing.SEQ_LENGTH // 2)
  other = [*ids[:-1], 7]
  training = [_record(ids, 3, 6), _record(other, 15, 7)]
  validation = [_record(ids, 1, 6)] * 8
  config = experiments.get("bert/token_drop")
  paths = {
    "train_data": testing.write_records(tmp_path / "train", training),
    "validation_data": testing.write_records(tmp_path / "eval", validation),
  }
  config.override(
    testing.merged(
      testing.TINY, {"task": {k: {"input_path": p} for k, p in paths.items()}}
    )
  )
  return config


def test_losses_of_counts(params):
  # In 30 pairs the second is 6 fifteen minus one times; 5 is 16 times on the
  # left, 14 + 1 times before a 6 and once before the 7.
  found = text_losses.measure(params)
  after = 30 + V
  one = (15 + 1) / after
  assert found["unigram_loss"] == pytest.approx(-math.log(one))
  two = (15 + dataset_statistics.PRIOR * one) / (16 + dataset_statistics.PRIOR)
  assert found["bigram_loss"] == pytest.approx(-math.log(two))


def test_records_that_cannot_be_read_or_break_a_rule(params):
  path = pathlib.Path(params.task.train_data.input_path)
  whole = path.read_bytes()
  path.write_bytes(whole + bytes(7) + b"@" + bytes(9))  # a length of 2^62
  message = testing.refused(text_losses.measure, params)
  assert f"{path}, record 2: corrupted record at " in message
  record = testing.serialized(_record([V] * testing.SEQ_LENGTH, 3, 6))
  testing.write_records(path, [record])
  message = testing.refused(text_losses.measure, params)
  assert message.startswith("input_word_ids must be in [0, vocab_size) (50);")
  assert message.endswith(f" Received: 50 in {path}, record 0")


def test_masks_are_taken_back():
  batch = {
    "input_word_ids": np.array([[9, 4, 9]]),
    "masked_lm_positions": np.array([[1, 0]]),
    "masked_lm_ids": np.array([[7, 0]]),
    "masked_lm_weights": np.array([[1.0, 0.0]]),
  }
  assert text_losses.unmasked(batch).tolist() == [[9, 7, 9]]
  assert batch["input_word_ids"].tolist() == [[9, 4, 9]]


def test_what_follows_another_is_scored_where_the_next_token_is_predicted(
  tmp_path,
):
  config = experiments.get("gpt/token_drop")
  ids = [5, 6] * (testing.SEQ_LENGTH // 2)
  texts = {"train": ids, "validation": [5, 6, *[0] * (len(ids) - 2)]}
  paths = {
    f"{name}_data": {
      "input_path": testing.write_records(
        tmp_path / name, [{"input_word_ids": text}] * 8
      )
    }
    for name, text in texts.items()
  }
  tiny = testing.tiny("gpt/token_drop")
  config.override(testing.merged(tiny, {"task": paths}))
  found = text_losses.measure(config)
  one = (8 * 8 + 1) / (8 * 15 + V)
  prior = dataset_statistics.PRIOR
  two = (8 * 8 + prior * one) / (8 * 8 + prior)
  assert found["unigram_loss"] == pytest.approx(-math.log(one))
  assert found["bigram_loss"] == pytest.approx(-math.log(two))


def test_the_tokens_of_a_translation_follow_each_other_or_an_end(tmp_path):
  # 5 6 and 5, each with its end: an end is twice before a 5, which is once
  # before a 6 and once before an end, which a 6 is before too.
  record = pair_testing.packed([([8], [5, 6]), ([9], [5])])
  config = experiments.get("wmt_transformer/token_drop")
  paths = {
    name: {"input_path": testing.write_records(tmp_path / name, [record] * 8)}
    for name in ("train_data", "validation_data")
  }
  tiny = testing.tiny("wmt_transformer/token_drop")
  config.override(testing.merged(tiny, {"task": paths}))
  found = text_losses.measure(config)
  counts = {5: 16, 6: 8, pair_testing.END: 16}
  share = {token: (count + 1) / (40 + V) for token, count in counts.items()}
  losses = [-math.log(share[token]) for token in (5, 6, 1, 5, 1)]
  assert found["unigram_loss"] == pytest.approx(sum(losses) / 5)
  prior = dataset_statistics.PRIOR
  after = [(1, 5, 16, 16), (5, 6, 8, 16), (6, 1, 8, 8), (5, 1, 8, 16)]
  shares = {
    (left, token): (pair + prior * share[token]) / (all_ + prior)
    for left, token, pair, all_ in after
  }
  scored = [(1, 5), (5, 6), (6, 1), (1, 5), (5, 1)]
  losses = [-math.log(shares[pair]) for pair in scored]
  assert found["bigram_loss"] == pytest.approx(sum(losses) / 5)
