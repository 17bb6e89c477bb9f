# SPDX-License-Identifier: Apache-2.0
"""Tests of dropout and importance that follow the step."""

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.models.bert import encoder as encoder_lib
from token_dropping.training import step_random


def _masks(step: int, seed: int = 1) -> list[np.ndarray]:
  """Returns what two dropout layers make of ones, as in a new process."""
  inputs = tf_keras.Input([64])
  outputs = [tf_keras.layers.Dropout(0.5)(inputs) for _ in range(2)]
  model = tf_keras.Model(inputs, outputs)
  variable = tf.Variable(step, dtype=tf.int64)
  assert step_random.follow_step(model, variable, seed) == 2
  return [out.numpy() for out in model(tf.ones([4, 64]), training=True)]


def test_masks_are_those_of_step_layer_and_seed():
  first, second = _masks(3)
  np.testing.assert_array_equal(_masks(3), [first, second])
  assert (first != second).any()
  assert (first != _masks(4)[0]).any()
  assert (first != _masks(3, seed=2)[0]).any()
  # The rate is kept, and the rest scaled.
  assert set(np.unique(first)) == {0.0, 2.0}
  assert 0.35 < first.mean() / 2 < 0.65


def test_importance_follows_the_step():
  encoder = encoder_lib.TokenDropEncoder(
    vocab_size=9,
    num_layers=2,
    hidden_size=4,
    num_attention_heads=1,
    inner_dim=4,
    token_allow_list=[],
    importance={"type": "random"},
  )
  step = tf.Variable(3, dtype=tf.int64)
  step_random.follow_step(encoder, step, seed=1)
  ids = tf.fill([1, 50], 5)
  first, again = (encoder.importance_scorer(ids) for _ in range(2))
  np.testing.assert_array_equal(first, again)
  step.assign_add(1)
  assert (encoder.importance_scorer(ids) != first).numpy().all()
