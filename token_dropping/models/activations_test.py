# SPDX-License-Identifier: Apache-2.0
"""Tests of both GELUs: values, gradients, names, and what is kept."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from token_dropping.models import activations

POINTS = [-9.0, -3.0, -0.5, 0.0, 1.0, 2.5, 9.0]
GELUS = {"gelu": True, activations.EXACT_GELU: False}


def _with_gradient(function, points: tf.Tensor) -> tuple:
  with tf.GradientTape() as tape:
    tape.watch(points)
    values = function(points)
  return values, tape.gradient(values, points, 3.0 * tf.ones_like(points))


@pytest.mark.parametrize(("name", "approximate"), GELUS.items())
def test_values_and_gradients_are_those_of_tensorflow(name, approximate):
  points = tf.constant(POINTS)
  values, slopes = _with_gradient(activations.get(name), points)
  expected = _with_gradient(lambda x: tf.nn.gelu(x, approximate), points)
  np.testing.assert_array_equal(values, expected[0])
  np.testing.assert_allclose(slopes, expected[1], atol=2e-6)


@pytest.mark.parametrize("name", GELUS)
def test_types_stay_and_large_numbers_have_a_slope(name):
  points = tf.constant([-1000.0, 1000.0], tf.float16)
  values, slopes = _with_gradient(activations.get(name), points)
  assert values.dtype == slopes.dtype == tf.float16
  np.testing.assert_array_equal(slopes, [0.0, 3.0])


def test_exact_gelu_is_not_the_tanh_form():
  points = tf.constant(POINTS)
  exact = activations.get(activations.EXACT_GELU)(points)
  expected = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in POINTS]
  np.testing.assert_allclose(exact, expected, atol=1e-6)
  assert np.abs(exact - activations.get("gelu")(points)).max() > 1e-4


def test_each_is_found_by_its_name():
  for name in GELUS:
    function = activations.get(name)
    written = tf_utils.serialize_activation(function, use_legacy_format=True)
    assert tf_keras.activations.get(written) is function
  exact = activations.get(activations.EXACT_GELU)
  assert tf_utils.get_activation(activations.EXACT_GELU) is exact
