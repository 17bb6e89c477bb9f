# SPDX-License-Identifier: Apache-2.0
"""Tests of the cost model: a hand-computed network and the published sizes."""

import dataclasses

import pytest

from tests import drops_testing
from token_dropping.dropping import keep_schedule
from token_dropping.dropping import step_schedule
from token_dropping.models import multiply_adds

# L, D, F, V, S, P
BASE = multiply_adds.BertShape(12, 768, 3072, 30522, 512, predictions=76)
SMALL = multiply_adds.BertShape(4, 1, 4, 7, 10, predictions=3)


@pytest.mark.parametrize(
  ("fields", "share"),
  [
    ({}, 0.697),
    ({"drop_layer": 1}, 0.528),
    ({"drop": {"type": "context"}}, 0.737),
    ({"drop": {"type": "layerwise"}}, 0.520),
    ({"drop": {"type": "pool"}}, 0.697),
  ],
)
def test_shares_of_bert_base(fields, share):
  plan = drops_testing.make_plan(12, **fields)
  dropped = multiply_adds.token_drop_macs(BASE, plan)
  assert round(dropped / multiply_adds.dense_macs(BASE), 3) == share


def test_what_the_last_layer_saves():
  plan = drops_testing.make_plan(12)
  # 76 masked positions and position 0 are read.
  saved = BASE.layer_macs(512, 512) - BASE.layer_macs(77, 512)
  dense = multiply_adds.dense_macs(BASE)
  dropped = multiply_adds.token_drop_macs(BASE, plan)
  assert round((dropped + saved) / dense, 3) == 0.755
  plan = drops_testing.make_plan(12, token_keep_ratio=1.0)
  assert multiply_adds.token_drop_macs(BASE, plan) == dense - saved


def test_two_layers_by_hand():
  shape = dataclasses.replace(SMALL, num_layers=2)
  # layer: 10 q + 2 k + 2 q k; head: 3 + 3 * 7
  assert multiply_adds.dense_macs(shape) == 2 * (100 + 20 + 200) + 24
  plan = drops_testing.make_plan(2, token_keep_k=5)
  # layer 0: 5 queries, 10 keys; layer 1: 1 + 3 queries, 10 keys
  expected = (50 + 20 + 100) + (40 + 20 + 80) + 24
  assert multiply_adds.token_drop_macs(shape, plan) == expected
  # in fine-tuning layer 1 has all queries
  expected = (50 + 20 + 100) + (100 + 20 + 200) + 24
  assert multiply_adds.finetuning_macs(shape, plan) == expected


def test_embeddings_of_another_width_by_hand():
  shape = dataclasses.replace(SMALL, hidden_size=2)
  assert shape.head_macs() == 3 * (2 * 2 + 2 * 7)
  narrow = dataclasses.replace(shape, embedding_size=1)
  # matrix and output; the projection of 10 embeddings
  assert narrow.head_macs() == 3 * (2 * 1 + 1 * 7) + 10 * 2


@pytest.mark.parametrize(
  ("drop_type", "middle"),
  [
    ("skip", (50 + 20 + 100) + (50 + 10 + 50)),  # 5 queries, 10 and 5 keys
    ("context", 2 * (50 + 20 + 100)),
    ("layerwise", 2 * (50 + 10 + 50)),
    ("pool", (50 + 20 + 100) + (50 + 10 + 50)),
  ],
)
def test_types_by_hand(drop_type, middle):
  plan = drops_testing.make_plan(
    4, token_keep_ratio=0.5, drop_layer=1, drop={"type": drop_type}
  )
  first, last, head = 100 + 20 + 200, 40 + 20 + 80, 24
  expected = first + middle + last + head
  assert multiply_adds.token_drop_macs(SMALL, plan) == expected


def test_training_adds_up_its_steps():
  half = drops_testing.make_plan(12)
  full = keep_schedule.full_plan(half)
  phases = (keep_schedule.Phase(0, half), keep_schedule.Phase(7, full))
  schedule = step_schedule.StepSchedule(phases, 3, consistency_interval=2)
  a, b = (multiply_adds.token_drop_macs(BASE, plan) for plan in (half, full))
  # Step 2 and 4 compare a dropped with a full pass, 3 and 6 are full, so are
  # those from 8 on.
  steps = [a, a + b, b, a + b, a, b, a, b, b]
  for done in range(len(steps) + 1):
    found = multiply_adds.training_macs(BASE, schedule, done, batch_size=32)
    assert found == 3 * 32 * sum(steps[:done])
  assert multiply_adds.mean_macs(BASE, schedule, 9) == sum(steps) / 9
