# SPDX-License-Identifier: Apache-2.0
"""Tests of what ModernBERT costs: by hand, and the published sizes."""

import pytest

from tests import drops_testing
from token_dropping.models import multiply_adds
from token_dropping.models.modernbert import shape as shape_lib

# D 2, F 5, V 7; layers 0 and 3 are global; blocks of 4.
SMALL = shape_lib.ModernBertShape(
  vocab_size=7,
  hidden_size=2,
  num_layers=4,
  intermediate_size=5,
  local_attention=8,
  seq_length=10,
  predictions=3,
)
BY_QUERY, BY_KEY, BY_PAIR = 2 * 4 + 3 * 10, 2 * 4, 2 * 2
HEAD = 3 * (4 + 14)


def _base(length: int) -> shape_lib.ModernBertShape:
  predictions = int(0.15 * length)
  return shape_lib.ModernBertShape(seq_length=length, predictions=predictions)


def test_layers_by_hand():
  whole = 10 * (BY_QUERY + BY_KEY)
  # Three blocks of 4 queries and 12 keys.
  layers = [100, 144, 144, 100]
  dense = 4 * whole + sum(layers) * BY_PAIR + HEAD
  assert multiply_adds.dense_macs(SMALL) == dense
  plan = drops_testing.make_plan(4, token_keep_k=3, drop_layer=1)
  dropped = (
    (10 * BY_QUERY + 10 * BY_KEY + 100 * BY_PAIR)
    # 3 queries, but scores of all ten places, and then of 3 tokens in a block
    + (3 * BY_QUERY + 10 * BY_KEY + 144 * BY_PAIR)
    + (3 * BY_QUERY + 3 * BY_KEY + 3 * 9 * BY_PAIR)
    + (4 * BY_QUERY + 10 * BY_KEY + 40 * BY_PAIR)
  )
  assert multiply_adds.token_drop_macs(SMALL, plan) == dropped + HEAD


def test_queries_of_global_layers_fill_chunks():
  """Two of 129."""
  one, two = (_base(1024).layer_macs(q, 1024, 0) for q in (257, 258))
  assert two - one == 2 * 768**2 + 3 * 768 * 1152


# The dropping layer, 1, is local: scores are computed of all its places.
@pytest.mark.parametrize(
  ("length", "billions", "half", "quarter"),
  [
    (2048, 298, 0.508, 0.307),
    (4096, 699, 0.482, 0.290),
    (8192, 1810, 0.448, 0.267),
  ],
)
def test_shares_of_modernbert_base(length, billions, half, quarter):
  shape = _base(length)
  dense = multiply_adds.dense_macs(shape)
  assert round(dense / 1e9) == billions
  for ratio, share in ((0.5, half), (0.25, quarter)):
    plan = drops_testing.make_plan(22, token_keep_ratio=ratio, drop_layer=1)
    dropped = multiply_adds.token_drop_macs(shape, plan)
    assert round(dropped / dense, 3) == share
