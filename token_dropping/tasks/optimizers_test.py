# SPDX-License-Identifier: Apache-2.0
"""Tests of clipping."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg

from tests import replica_testing
from token_dropping.tasks import optimizers


def _config(**adamw):
  params = replica_testing.make_params()
  config = params.trainer.optimizer_config
  config.override({"optimizer": {"adamw": adamw}})
  return config


def test_gradients_are_clipped_together():
  pairs = [(tf.constant([3.0]), "a"), (tf.constant([0.0, 4.0]), "b")]
  clipped = optimizers.clip_by_global_norm(pairs, 1.0)
  assert [variable for _, variable in clipped] == ["a", "b"]
  np.testing.assert_allclose(clipped[0][0], [0.6], rtol=1e-6)
  np.testing.assert_allclose(clipped[1][0], [0.0, 0.8], rtol=1e-6)


def test_a_row_that_occurs_twice_counts_as_its_sum():
  rows = tf.IndexedSlices(
    tf.constant([[1.0], [2.0]]), tf.constant([1, 1]), tf.constant([3, 1])
  )
  ((clipped, _),) = optimizers.clip_by_global_norm([(rows, "a")], 1.0)
  np.testing.assert_allclose(clipped, [[0.0], [1.0], [0.0]], rtol=1e-6)


def test_config_stays_as_it_was():
  config = _config(gradient_clip_norm=0.5)
  optimizer = optimizers.create_optimizer(config)
  assert optimizer.gradient_clip_norm == 0.0
  assert len(optimizer.gradient_transformers) == 1
  assert config.optimizer.adamw.gradient_clip_norm == 0.5
  assert optimizer.weight_decay_rate == 0.01


def test_no_clipping_where_none_is_asked_for():
  optimizer = optimizers.create_optimizer(_config(gradient_clip_norm=0.0))
  assert optimizer.gradient_transformers == []


def _moments(optimizer, gradient: float) -> float:
  """Returns Adam's first moment after a step, a tenth of what it was given."""
  variable = tf.Variable([1.0])
  optimizer.apply_gradients([(tf.constant([gradient]), variable)])
  inner = getattr(optimizer, "inner_optimizer", optimizer)
  return float(inner.get_slot(variable, "m")[0])


@pytest.mark.parametrize("dtype", [None, "float16"])
def test_clipping_does_not_depend_on_the_loss_scale(dtype):
  runtime = cfg.RuntimeConfig(mixed_precision_dtype=dtype, loss_scale=128.0)
  optimizer = optimizers.create_optimizer(
    _config(gradient_clip_norm=0.5), runtime
  )
  scaled = isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer)
  assert scaled == (dtype == "float16")
  np.testing.assert_allclose(_moments(optimizer, 4.0), 0.05, rtol=1e-5)


def test_gradients_that_overflow_move_nothing():
  runtime = cfg.RuntimeConfig(mixed_precision_dtype="float16")
  optimizer = optimizers.create_optimizer(_config(), runtime)
  variable, before = tf.Variable([1.0]), float(optimizer.loss_scale)
  optimizer.apply_gradients([(tf.constant([np.inf]), variable)])
  np.testing.assert_array_equal(variable, [1.0])
  assert float(optimizer.loss_scale) == before / 2
