# SPDX-License-Identifier: Apache-2.0
"""Tests of what a checkpoint initializes; those of tasks have its messages."""

import pytest
import tensorflow as tf

from token_dropping.dropping import config as dropping_config
from token_dropping.models import checkpoints


def _scorer(kind: str, **selection):
  scorer = dropping_config.CausalDroppingConfig(
    importance={"type": kind}, selection=selection
  ).make_scorer(vocab_size=9, num_layers=2)
  scorer.build()
  return scorer


@pytest.mark.parametrize(
  ("kind", "selection", "begins"),
  [
    ("next_token_loss", {}, True),
    ("next_token_loss", {"slack": 2.0}, True),
    # Thresholds are common to these; those of other scores are no beginning.
    ("next_token_loss", {"type": "top_k"}, False),
    ("frequency", {}, False),
    ("hidden_norm", {}, False),
    ("random", {}, False),
  ],
)
def test_importance_of_another_type_begins_anew(
  kind, selection, begins, tmp_path
):
  there = tf.train.Checkpoint(importance=_scorer("next_token_loss"))
  prefix = there.save(str(tmp_path / "ckpt"))
  items, name = {"importance": _scorer(kind, **selection)}, "importance"
  found, _ = checkpoints.find_items(items, {name}, prefix)
  assert (name in found) == begins
  checkpoints.check(items, prefix, "--model_dir", {name})
