# SPDX-License-Identifier: Apache-2.0
"""Tests of dropout that follows the step."""

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping import step_random


def _model() -> tf_keras.Model:
  inputs = tf_keras.Input([64])
  outputs = [tf_keras.layers.Dropout(0.5)(inputs) for _ in range(2)]
  return tf_keras.Model(inputs, outputs)


def _masks(step: int, seed: int = 1) -> list[np.ndarray]:
  model = _model()
  variable = tf.Variable(step, dtype=tf.int64)
  assert step_random.follow_step(model, variable, seed) == 2
  return [out.numpy() for out in model(tf.ones([4, 64]), training=True)]


def test_a_step_has_its_masks_in_every_process():
  np.testing.assert_array_equal(_masks(3), _masks(3))


def test_steps_layers_and_seeds_differ():
  first, second = _masks(3)
  assert (first != second).any()
  assert (first != _masks(4)[0]).any()
  assert (first != _masks(3, seed=2)[0]).any()


def test_the_rate_is_kept_and_the_rest_scaled():
  first, _ = _masks(3)
  assert set(np.unique(first)) == {0.0, 2.0}
  assert 0.35 < first.mean() / 2 < 0.65
