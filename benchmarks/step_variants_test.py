# SPDX-License-Identifier: Apache-2.0
"""Tests of the contenders: the same numbers, where they must be."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import step_case
from benchmarks import step_variants
from benchmarks import torch_bert
from tests import step_testing

WHOLE = dataclasses.replace(step_testing.TINY, keep_ratio=1.0)


@pytest.fixture(scope="module", autouse=True)
def eager():
  """Steps run as they are; the example in their docstring makes a graph."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def _make(case, name):
  return step_variants.Step(case, name, tf.distribute.get_strategy())


@functools.cache
def _dense(case: step_case.Case) -> tuple[dict, list[float]]:
  """Returns the first weights of dense BERT and its first two losses."""
  step = _make(case, step_case.DENSE)
  return step.tensors(), [step(), step()]


@pytest.mark.parametrize(
  ("name", "norm_first"),
  [
    (step_case.PUBLISHED, False),
    (step_case.OURS, False),
    pytest.param(step_case.OURS_DENSE, False, marks=pytest.mark.slow),
    pytest.param(step_case.RECOMMENDED, False, marks=pytest.mark.slow),
    pytest.param(step_case.LAYERWISE, False, marks=pytest.mark.slow),
    pytest.param(step_case.PUBLISHED, True, marks=pytest.mark.slow),
    pytest.param(step_case.OURS, True, marks=pytest.mark.slow),
  ],
)
def test_keeping_all_trains_as_dense_bert(name, norm_first):
  case = dataclasses.replace(WHOLE, norm_first=norm_first)
  tensors, losses = _dense(case)
  step = _make(case, name)
  step.load(tensors)
  np.testing.assert_allclose([step(), step()], losses, rtol=1e-5)


@pytest.mark.slow
def test_modernbert_with_all_kept_trains_as_its_dense_network():
  losses = []
  for name in step_case.OF_MODERN:
    step = _make(WHOLE, name)
    losses.append([step(), step()])
  np.testing.assert_allclose(*losses, rtol=1e-5)


def test_published_takes_weights_and_its_step_moves_predicted_ids():
  case = step_testing.TINY
  step = _make(case, step_case.PUBLISHED)
  changed = {name: value + 1.0 for name, value in _dense(WHOLE)[0].items()}
  step.load(changed)
  for name, value in step.tensors().items():
    np.testing.assert_array_equal(value, changed[name], name)
  step()
  (table,) = step.model.encoder_network.importance.get_weights()
  moved = np.flatnonzero(table != case.importance())
  assert set(moved) == set(case.batch()["masked_lm_ids"].flat)


def test_pytorch_has_the_same_first_loss_and_learns():
  tensors, losses = _dense(WHOLE)
  step = torch_bert.Step(WHOLE, compiled=False)
  step.load(tensors)
  of_torch = [step() for _ in range(20)]
  np.testing.assert_allclose(of_torch[0], losses[0], rtol=1e-5)
  assert of_torch[-1] < of_torch[0] - 0.01
