# SPDX-License-Identifier: Apache-2.0
"""Tests of a case: sizes, multiply-adds by hand, and its batch."""

import dataclasses
import pathlib

import numpy as np
import pytest
import yaml

from benchmarks import step_case
from tests import step_testing
from token_dropping.models import encoder_config


def test_published_sizes():
  base = step_testing.BASE
  assert (base.predictions, base.keep, base.heads) == (76, 256, 12)
  assert round(base.macs("dense") / 1e9, 1) == 50.1
  assert round(base.mac_ratio("published"), 3) == 0.755
  assert round(base.mac_ratio("ours"), 3) == 0.697
  assert round(base.mac_ratio("recommended"), 3) == 0.528
  assert round(base.mac_ratio("layerwise"), 3) == 0.520
  assert str(base) == (
    "12 x 768, S = 512, B = 2, keep 0.5, XLA on, float32, dropout 0.1"
  )


def test_the_recommended_is_what_bert_base_yaml_has():
  path = (
    pathlib.Path(__file__).parents[1] / "experiments/pretrain/bert_base.yaml"
  )
  tree = yaml.safe_load(path.read_text("utf-8"))
  filed = encoder_config.TokenDropEncoderConfig()
  filed.override(tree["task"]["model"]["encoder"]["any"])
  measured = step_testing.BASE.encoder("recommended")
  assert measured.importance == filed.importance
  plans = (config.drop_plan for config in (measured, filed))
  assert len(set(plans)) == 1


def test_multiply_adds_by_hand():
  case = step_testing.TINY  # D = 8, S = 16, K = 8, P = 2, V = 200

  def layer(queries, keys):
    return 640 * queries + 128 * keys + 16 * queries * keys

  def head(positions):
    return positions * (64 + 8 * 200)

  assert case.macs("dense") == 4 * layer(16, 16) + head(2)
  assert case.macs("torch") == 4 * layer(16, 16) + head(16)
  # Four layers: 0 sees all, 1 hands over, 2 the kept, 3 all again.
  dropping = layer(16, 16) + layer(8, 16) + layer(8, 8) + head(2)
  assert case.macs("published") == dropping + layer(16, 16)
  assert case.macs("ours") == dropping + layer(1 + 2, 16)
  # Layers 1 and 2 take 8 of the tokens each, which see one another.
  assert case.macs("layerwise") == (
    layer(16, 16) + 2 * layer(8, 8) + layer(1 + 2, 16) + head(2)
  )


def test_keeping_all():
  case = dataclasses.replace(step_testing.BASE, keep_ratio=1.0)
  assert case.keep == 512
  assert case.mac_ratio("published") == 1.0


@pytest.mark.parametrize(("width", "heads"), [(32, 1), (64, 1), (256, 4)])
def test_heads_are_of_64(width, heads):
  assert dataclasses.replace(step_testing.BASE, width=width).heads == heads


def test_batch_masks_what_it_predicts():
  batch = step_testing.TINY.batch()
  ids, positions = batch["input_word_ids"], batch["masked_lm_positions"]
  assert ids.shape == (2, 16) and positions.shape == (2, 2)
  assert (positions[:, 0] < positions[:, 1]).all()  # different ones
  masked = np.take_along_axis(ids, positions, axis=1)
  assert (masked == step_case.MASK_ID).all()
  assert (ids == step_case.MASK_ID).sum() == 4
  assert batch["masked_lm_ids"].min() >= step_case.FIRST_WORD
  assert batch["input_mask"].all() and batch["masked_lm_weights"].all()
  again = step_testing.TINY.batch()
  assert all((again[name] == values).all() for name, values in batch.items())
