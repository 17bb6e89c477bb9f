# SPDX-License-Identifier: Apache-2.0
"""Tests of dropped tokens that stay as context."""

import numpy as np
import pytest
import tensorflow as tf

from tests import drops_testing

at, row = drops_testing.at, drops_testing.row


def test_middle_layers_equal_a_hand_written_pass():
  encoder = drops_testing.make_encoder(
    "context", token_keep_k=5, restore_layer=4
  )
  inputs = drops_testing.batch()
  outputs = encoder(inputs, training=True)
  kept, states = outputs["kept_positions"], outputs["encoder_outputs"]
  layers, mask = encoder.transformer_layers, row(inputs["input_mask"])
  before = states[0]
  for index in (1, 2, 3):
    computed = layers[index]([at(before, kept), before, mask])
    before = drops_testing.put(
      before, computed, kept
    )  # dropped tokens have the state they left with
    drops_testing.assert_same([states[index]], [before])


def test_in_a_later_stage_all_tokens_are_seen():
  stages = [{"layer": 0, "keep_ratio": 0.5}, {"layer": 1, "keep_ratio": 0.25}]
  encoder = drops_testing.make_encoder("context", stages=stages)
  inputs = drops_testing.batch()
  outputs = encoder(inputs, training=True)
  kept, states = outputs["kept_positions"], outputs["encoder_outputs"]
  layer, mask = encoder.transformer_layers[1], row(inputs["input_mask"])
  expected = layer([at(states[0], kept), states[0], mask])
  drops_testing.assert_same([at(states[1], kept)], [expected])


@pytest.mark.parametrize("layer", [2, 3])
def test_context_learns(layer):
  """What is computed depends on the dropped tokens in every layer."""
  encoder = drops_testing.make_encoder(
    "context", token_keep_k=5, restore_layer=4
  )
  with tf.GradientTape() as tape:
    outputs = encoder(drops_testing.batch(padding=0), training=True)
    states, kept = outputs["encoder_outputs"], outputs["kept_positions"]
    loss = tf.reduce_sum(at(states[layer], kept) ** 3)
  # Read as keys and values alone: the queries are never put in place.
  gradient = tape.gradient(loss, states[layer - 1]).numpy()
  for sequence, places in enumerate(kept.numpy()):
    gradient[sequence, places] = 0
  assert (np.abs(gradient).max(axis=(1, 2)) > 1e-4).all()
