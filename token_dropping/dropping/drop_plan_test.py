# SPDX-License-Identifier: Apache-2.0
"""Tests of where tokens are dropped and how many stay."""

import pytest

from tests import drops_testing
from tests import testing

make_plan = drops_testing.make_plan
STAGES = ({"layer": 3, "keep_ratio": 0.75}, {"layer": 6, "keep_ratio": 0.5})


@pytest.mark.parametrize(
  ("num_layers", "drop", "restore"), [(12, 5, 11), (24, 11, 23), (2, 0, 1)]
)
def test_published_places(num_layers, drop, restore):
  plan = make_plan(num_layers)
  assert (plan.stages[0].layer, plan.restore_layer) == (drop, restore)
  stages = [{"layer": drop, "keep_ratio": 0.5}]
  assert make_plan(num_layers, stages=stages) == plan


def test_ratio_and_count():
  assert make_plan(12).keep_counts(512) == (256,)
  assert make_plan(12, token_keep_ratio=0.25).keep_counts(128) == (32,)
  assert make_plan(12, token_keep_ratio=0.001).keep_counts(128) == (1,)
  assert make_plan(12, token_keep_k=100).keep_counts(128) == (100,)


def test_stages_keep_shares_of_the_whole_sequence():
  plan = make_plan(12, stages=STAGES, restore_layer=9)
  assert plan.keep_counts(128) == (96, 64)
  assert plan.restore_layer == 9
  assert plan.with_ratios([1.0, 0.25]).keep_counts(128) == (128, 32)


def test_a_plan_drops_unless_all_ratios_are_one():
  assert make_plan(12).drops and make_plan(12, token_keep_k=5).drops
  assert make_plan(1, token_keep_ratio=1.0).stages == ()
  assert not make_plan(12, token_keep_ratio=1.0).drops
  assert not make_plan(12, token_keep_ratio=1.0, drop_layer=3).drops


IN_LAYERS = "in [0, 10] for 12 layers: the last layer sees all tokens."
IN_0_1 = "must be in (0, 1]. Received:"
AFTER = "after drop_layer and inside the network. Received:"
UNSET = "must be unset where stages are given. Received: 0.5"


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    (
      {"token_keep_ratio": 0.5, "token_keep_k": 4},
      "token_keep_ratio and token_keep_k must not both be set. Received: "
      "token_keep_ratio=0.5, token_keep_k=4",
    ),
    ({"token_keep_ratio": 0.0}, f"token_keep_ratio {IN_0_1} 0.0"),
    ({"token_keep_ratio": 1.5}, f"token_keep_ratio {IN_0_1} 1.5"),
    ({"token_keep_k": 0}, "token_keep_k must be at least 1. Received: 0"),
    (
      {"num_layers": 1},
      "num_layers must be at least 2 to drop tokens between layers (or "
      "token_keep_ratio 1.0). Received: 1",
    ),
    ({"drop_layer": 11}, f"drop_layer must be {IN_LAYERS} Received: 11"),
    ({"drop_layer": -1}, f"drop_layer must be {IN_LAYERS} Received: -1"),
    (
      {"token_keep_ratio": 1.0, "drop_layer": 12},
      f"drop_layer must be {IN_LAYERS} Received: 12",
    ),
    ({"restore_layer": 5}, f"restore_layer must be in [6, 11], {AFTER} 5"),
    ({"restore_layer": 12}, f"restore_layer must be in [6, 11], {AFTER} 12"),
    ({"stages": STAGES, "token_keep_ratio": 0.5}, f"token_keep_ratio {UNSET}"),
    ({"stages": STAGES, "token_keep_k": 0.5}, f"token_keep_k {UNSET}"),
    ({"stages": STAGES, "drop_layer": 0.5}, f"drop_layer {UNSET}"),
    (
      {"stages": STAGES[::-1]},
      "stages[1].layer must be above stages[0].layer (6). Received: 3",
    ),
    (
      {"stages": [STAGES[0], {"layer": 11, "keep_ratio": 0.5}]},
      f"stages[1].layer must be {IN_LAYERS} Received: 11",
    ),
    (
      {"stages": [STAGES[1], {"layer": 7, "keep_ratio": 0.75}]},
      "stages[1].keep_ratio must be at most stages[0].keep_ratio (0.5). "
      "Received: 0.75",
    ),
    (
      {"stages": [{"layer": 3, "keep_ratio": 0}]},
      f"stages[0].keep_ratio {IN_0_1} 0",
    ),
    (
      {"stages": STAGES, "restore_layer": 6},
      "restore_layer must be in [7, 11], after the last stage and inside the "
      "network. Received: 6",
    ),
    (
      {"drop": {"type": "skim"}},
      "drop.type must be one of skip, context, layerwise, pool. Received: "
      "'skim'",
    ),
  ],
)
def test_wrong_values_are_refused(fields, message):
  found = testing.refused(make_plan, **({"num_layers": 12} | fields))
  assert found == message


def test_count_above_the_sequence_is_refused():
  with pytest.raises(ValueError) as caught:
    make_plan(12, token_keep_k=256).keep_counts(128)
  assert str(caught.value) == (
    "token_keep_k must be at most the sequence length (128). Received: 256"
  )
