# SPDX-License-Identifier: Apache-2.0
"""Tests of where tokens are dropped and how many stay."""

import pytest

from tests import drops_testing


@pytest.mark.parametrize(
  ("num_layers", "drop", "restore"), [(12, 5, 11), (24, 11, 23), (2, 0, 1)]
)
def test_published_places(num_layers, drop, restore):
  plan = drops_testing.make_plan(num_layers)
  assert (plan.stages[0].layer, plan.restore_layer) == (drop, restore)


def test_neither_ratio_nor_count_means_half():
  assert drops_testing.make_plan(12).keep_counts(512) == (256,)


def test_ratio_and_count():
  create = drops_testing.make_plan
  assert create(12, token_keep_ratio=0.25).keep_counts(128) == (32,)
  assert create(12, token_keep_ratio=0.001).keep_counts(128) == (1,)
  assert create(12, token_keep_k=100).keep_counts(128) == (100,)


def test_one_layer_is_allowed_where_nothing_is_dropped():
  assert drops_testing.make_plan(1, token_keep_ratio=1.0).stages == ()


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (
      {"token_keep_ratio": 0.5, "token_keep_k": 4},
      "token_keep_ratio and token_keep_k must not both be set. Received: "
      "token_keep_ratio=0.5, token_keep_k=4",
    ),
    (
      {"token_keep_ratio": 1.5},
      r"token_keep_ratio must be in \(0, 1\]. Received: 1.5",
    ),
    (
      {"token_keep_ratio": 0.0},
      r"token_keep_ratio must be in \(0, 1\]. Received: 0.0",
    ),
    ({"token_keep_k": 0}, "token_keep_k must be at least 1. Received: 0"),
    ({"num_layers": 1}, "num_layers must be at least 2 .* Received: 1"),
    ({"drop_layer": 11}, r"drop_layer must be in \[0, 10\] .* Received: 11"),
    ({"drop_layer": -1}, r"drop_layer must be in \[0, 10\] .* Received: -1"),
    (
      {"restore_layer": 5},
      r"restore_layer must be in \[6, 11\], .* Received: 5",
    ),
    (
      {"restore_layer": 12},
      r"restore_layer must be in \[6, 11\], .* Received: 12",
    ),
    (
      {"token_keep_ratio": 1.0, "drop_layer": 12},
      r"drop_layer must be in \[0, 10\] .* Received: 12",
    ),
  ],
)
def test_wrong_values_are_refused(arguments, message):
  with pytest.raises(ValueError, match=message):
    drops_testing.make_plan(**({"num_layers": 12} | arguments))


def test_count_above_the_sequence_is_refused():
  plan = drops_testing.make_plan(12, token_keep_k=256)
  with pytest.raises(
    ValueError,
    match=r"token_keep_k must be at most the sequence length \(128\). "
    "Received: 256",
  ):
    plan.keep_counts(128)


STAGES = (
  {"layer": 3, "keep_ratio": 0.75},
  {"layer": 6, "keep_ratio": 0.5},
)


def test_stages_keep_shares_of_the_whole_sequence():
  plan = drops_testing.make_plan(12, stages=STAGES, restore_layer=9)
  assert plan.keep_counts(128) == (96, 64)
  assert plan.restore_layer == 9
  assert plan.with_ratios([1.0, 0.25]).keep_counts(128) == (128, 32)


def test_one_stage_is_the_published_shape():
  stages = [{"layer": 5, "keep_ratio": 0.5}]
  published = drops_testing.make_plan(12)
  assert drops_testing.make_plan(12, stages=stages) == published


def test_a_plan_drops_unless_all_ratios_are_one():
  create = drops_testing.make_plan
  assert create(12).drops and create(12, token_keep_k=5).drops
  assert not create(12, token_keep_ratio=1.0).drops
  assert not create(12, token_keep_ratio=1.0, drop_layer=3).drops


@pytest.mark.parametrize(
  ("stages", "more", "message"),
  [
    (
      STAGES,
      {"token_keep_ratio": 0.5},
      "token_keep_ratio must be unset where stages are given. Received: 0.5",
    ),
    (
      STAGES,
      {"token_keep_k": 5},
      "token_keep_k must be unset where stages are given. Received: 5",
    ),
    (
      STAGES,
      {"drop_layer": 5},
      "drop_layer must be unset where stages are given. Received: 5",
    ),
    (
      STAGES[::-1],
      {},
      "stages[1].layer must be above stages[0].layer (6). Received: 3",
    ),
    (
      [STAGES[0], {"layer": 11, "keep_ratio": 0.5}],
      {},
      "stages[1].layer must be in [0, 10] for 12 layers: the last layer sees "
      "all tokens. Received: 11",
    ),
    (
      [STAGES[1], {"layer": 7, "keep_ratio": 0.75}],
      {},
      "stages[1].keep_ratio must be at most stages[0].keep_ratio (0.5). "
      "Received: 0.75",
    ),
    (
      [{"layer": 3, "keep_ratio": 0}],
      {},
      "stages[0].keep_ratio must be in (0, 1]. Received: 0",
    ),
    (
      STAGES,
      {"restore_layer": 6},
      "restore_layer must be in [7, 11], after the last stage and inside the "
      "network. Received: 6",
    ),
  ],
)
def test_wrong_stages_are_refused(stages, more, message):
  with pytest.raises(ValueError) as caught:
    drops_testing.make_plan(12, stages=stages, **more)
  assert str(caught.value) == message
