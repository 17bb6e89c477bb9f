# SPDX-License-Identifier: Apache-2.0
"""Tests of a case: sizes, multiply-adds by hand, and its batch."""

import dataclasses
import pathlib

import numpy as np
import yaml

from benchmarks import step_case
from tests import step_testing
from token_dropping.models.bert import encoder_config

BASE, TINY = step_testing.BASE, step_testing.TINY


def test_published_sizes():
  assert (BASE.predictions, BASE.keep, BASE.heads) == (76, 256, 12)
  assert round(BASE.macs("dense") / 1e9, 1) == 50.1
  ratios = {name: round(BASE.mac_ratio(name), 3) for name in step_case.DROPPING}
  assert ratios == {
    "published": 0.755,
    "ours": 0.697,
    "recommended": 0.528,
    "layerwise": 0.520,
    "modernbert": 0.397,
  }
  assert str(BASE) == (
    "12 x 768, S = 512, B = 2, keep 0.5, XLA on, float32, dropout 0.1"
  )
  without = dataclasses.replace(BASE, attention_dropout=0.0)
  assert str(without) == f"{BASE}, in attention 0"
  rates = [c.encoder().attention_dropout_rate for c in (BASE, without)]
  assert rates == [0.1, 0.0]
  whole = dataclasses.replace(BASE, keep_ratio=1.0)
  assert (whole.keep, whole.mac_ratio("published")) == (512, 1.0)
  widths = (32, 64, 256)
  cases = [dataclasses.replace(BASE, width=width) for width in widths]
  assert [case.heads for case in cases] == [1, 1, 4]


def test_the_recommended_is_what_bert_base_yaml_has():
  root = pathlib.Path(__file__).parents[1]
  path = root / "experiments/pretrain/bert_base.yaml"
  tree = yaml.safe_load(path.read_text("utf-8"))
  filed = encoder_config.TokenDropEncoderConfig()
  filed.override(tree["task"]["model"]["encoder"]["any"])
  measured = BASE.encoder("recommended")
  assert measured.importance == filed.importance
  assert measured.drop_plan == filed.drop_plan
  assert measured.always_keep_cls is filed.always_keep_cls is False


def test_of_modernbert_the_cost_is_over_its_own_dense_network():
  whole = dataclasses.replace(BASE, keep_ratio=1.0)
  dense = "modernbert_dense"
  assert whole.mac_ratio("modernbert", dense) == 1.0
  assert BASE.mac_ratio("modernbert", dense) < 0.6


def test_multiply_adds_by_hand():
  # D = 8, S = 16, K = 8, P = 2, V = 200
  def layer(queries, keys):
    return 640 * queries + 128 * keys + 16 * queries * keys

  def head(positions):
    return positions * (64 + 8 * 200)

  assert TINY.macs("dense") == 4 * layer(16, 16) + head(2)
  assert TINY.macs("torch") == TINY.macs("dense")
  assert TINY.macs("torch_everywhere") == 4 * layer(16, 16) + head(16)
  # The last layer is for [CLS] and the predictions.
  last = layer(1 + 2, 16) + head(2)
  assert TINY.macs("ours_dense") == 3 * layer(16, 16) + last
  # Four layers: 0 sees all, 1 hands over, 2 the kept, 3 all again.
  dropping = layer(16, 16) + layer(8, 16) + layer(8, 8) + head(2)
  assert TINY.macs("published") == dropping + layer(16, 16)
  assert TINY.macs("ours") == dropping + layer(1 + 2, 16)
  # Layers 1 and 2 take 8 of the tokens each, which see one another.
  assert TINY.macs("layerwise") == (
    layer(16, 16) + 2 * layer(8, 8) + layer(1 + 2, 16) + head(2)
  )


def test_batch_masks_what_it_predicts():
  batch, again = TINY.batch(), TINY.batch()
  ids, positions = batch["input_word_ids"], batch["masked_lm_positions"]
  assert ids.shape == (2, 16) and positions.shape == (2, 2)
  assert (positions[:, 0] < positions[:, 1]).all()  # different ones
  masked = np.take_along_axis(ids, positions, axis=1)
  assert (masked == step_case.MASK_ID).all()
  assert (ids == step_case.MASK_ID).sum() == 4
  assert batch["masked_lm_ids"].min() >= step_case.FIRST_WORD
  assert batch["input_mask"].all() and batch["masked_lm_weights"].all()
  assert all((again[name] == values).all() for name, values in batch.items())
