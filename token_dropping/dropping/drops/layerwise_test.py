# SPDX-License-Identifier: Apache-2.0
"""Tests of layers that choose tokens on their own."""

import numpy as np
import tensorflow as tf

from tests import drops_testing

at, row = drops_testing.at, drops_testing.row


def _chosen(layer: int, keep: int) -> tf.Tensor:
  """Returns the positions of a layer's highest scores, ascending."""
  return tf.sort(tf.argsort(drops_testing.SCORES[layer])[:, -keep:])


def test_middle_layers_equal_a_hand_written_pass():
  encoder = drops_testing.make_encoder(
    "layerwise", token_keep_k=5, drop_layer=None, restore_layer=None
  )
  inputs = drops_testing.batch(padding=0)
  outputs = encoder(inputs, training=True)
  states, layers = outputs["encoder_outputs"], encoder.transformer_layers
  before = states[0]
  for index in (1, 2, 3):
    chosen = _chosen(index, 5)
    computed = layers[index]([at(before, chosen), row(tf.ones([2, 5]))])
    before = drops_testing.put(before, computed, chosen)
    drops_testing.assert_same([states[index]], [before])
  assert "kept_positions" not in outputs


def test_share_of_the_layers_in_which_a_token_was_computed():
  encoder = drops_testing.make_encoder("layerwise", token_keep_k=5)
  outputs = encoder(drops_testing.batch(padding=0), training=True)
  expected = np.zeros([drops_testing.B, drops_testing.S])
  for layer in (1, 2):
    for batch, chosen in enumerate(_chosen(layer, 5).numpy()):
      expected[batch, chosen] += 0.5
  np.testing.assert_allclose(outputs["computed_share"], expected)
  assert {0.0, 0.5, 1.0} == set(expected.ravel())


def test_padding_is_chosen_last():
  encoder = drops_testing.make_encoder("layerwise", token_keep_k=7)
  outputs = encoder(drops_testing.batch(padding=5), training=True)
  share = outputs["computed_share"].numpy()
  np.testing.assert_allclose(share[0], [1] * 7 + [0] * 5)


def test_first_and_last_layer_are_whole_by_default():
  plan = drops_testing.make_plan(12, drop={"type": "layerwise"})
  assert (plan.stages[0].layer, plan.restore_layer) == (1, 11)
