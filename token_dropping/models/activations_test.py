# SPDX-License-Identifier: Apache-2.0
"""The exact GELU, and how YAML and saved configs find it."""

import math

import numpy as np
import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from token_dropping.models import activations

POINTS = [-3.0, -0.5, 0.0, 1.0, 2.5]


def test_by_its_definition():
  expected = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in POINTS]
  found = activations.gelu_exact(tf.constant(POINTS))
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_is_not_the_tanh_form():
  difference = activations.gelu_exact(
    tf.constant(POINTS)
  ) - tf_utils.get_activation("gelu")(tf.constant(POINTS))
  assert np.abs(difference).max() > 1e-4


def test_is_found_by_its_name():
  found = tf_utils.get_activation("gelu_exact")
  assert found is activations.gelu_exact
  name = tf_keras.activations.serialize(found, use_legacy_format=True)
  assert name == "gelu_exact"
