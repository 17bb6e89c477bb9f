# SPDX-License-Identifier: Apache-2.0
"""Tests of what is read from pretraining calls."""

import numpy as np
import pytest

from token_dropping.dropping import drop_plan
from token_dropping.explain import dropping
from token_dropping.explain import sequences
from token_dropping.models import encoder as encoder_lib

VOCAB_SIZE = 20


@pytest.fixture(scope="module")
def encoder():
  """Scores of ids 5 to 19 are 0.5 to 1.9."""
  encoder = encoder_lib.TokenDropEncoder(
    vocab_size=VOCAB_SIZE,
    num_layers=6,
    hidden_size=4,
    num_attention_heads=2,
    inner_dim=8,
    token_allow_list=(1, 2, 3, 4),
  )
  table = encoder.importance_scorer.table
  scores = table.numpy()
  scores[5:] = np.arange(5, VOCAB_SIZE) / 10
  table.assign(scores)
  return encoder


def _sequence(*ids: int) -> sequences.TextSequence:
  number = len(ids)
  return sequences.TextSequence(
    np.array(ids, np.int32),
    np.zeros(number, np.int32),
    ("",) * number,
    (True,) * number,
    np.array(ids) < 5,
  )


def test_the_most_important_half_is_kept(encoder):
  (found,) = dropping.look(
    encoder, encoder.drop_plan, [_sequence(2, 9, 5, 11, 6, 3)]
  )
  np.testing.assert_allclose(found.scores, [1e4, 0.9, 0.5, 1.1, 0.6, 1e4])
  assert found.computed.tolist() == [1, 0, 0, 1, 0, 1]


def test_sequences_of_any_lengths_stay_in_order(encoder):
  rows = [_sequence(5, 6), _sequence(5, 7, 6, 8), _sequence(9, 8)]
  found = dropping.look(encoder, encoder.drop_plan, rows)
  assert [each.computed.tolist() for each in found] == [
    [0, 1],
    [0, 1, 0, 1],
    [1, 0],
  ]


def test_many_sequences_are_looked_at_in_batches(encoder):
  rows = [_sequence(5 + i, 6 + i) for i in range(dropping.BATCH + 1)]
  found = dropping.look(encoder, encoder.drop_plan, rows)
  assert [each.computed.tolist() for each in found] == [[0, 1]] * len(rows)


def test_stages_give_shares_of_the_middle_layers(encoder):
  # All again from layer 5: layers 1 to 4 are the middle, 3 and 4 after the
  # second stage.
  stages = [{"layer": 1, "keep_ratio": 0.75}, {"layer": 3, "keep_ratio": 0.25}]
  plan = drop_plan.DropPlan.create(6, stages=stages)
  (found,) = dropping.look(encoder, plan, [_sequence(5, 8, 7, 6)])
  assert found.computed.tolist() == [0, 1, 0.5, 0.5]


def test_short_sequences_keep_all_where_a_count_is_kept(encoder):
  plan = drop_plan.DropPlan.create(6, token_keep_k=3)
  short, long = _sequence(5, 6), _sequence(5, 8, 7, 6)
  found = dropping.look(encoder, plan, [short, long])
  assert found[0].computed.tolist() == [1, 1]
  assert found[1].computed.tolist() == [0, 1, 1, 1]
