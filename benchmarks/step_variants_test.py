# SPDX-License-Identifier: Apache-2.0
"""Tests of the contenders: the same numbers, where they must be."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import step_case
from benchmarks import step_variants
from benchmarks import torch_bert
from tests import step_testing

WHOLE = dataclasses.replace(step_testing.TINY, keep_ratio=1.0)


def _make(case, name):
  return step_variants.Step(case, name, tf.distribute.get_strategy())


@pytest.fixture(scope="module")
def dense():
  """Returns dense BERT, its first weights and its first two losses."""
  step = _make(WHOLE, step_case.DENSE)
  return step, step.tensors(), [step(), step()]


def test_normalized_first_all_are_still_alike():
  case = dataclasses.replace(WHOLE, norm_first=True)
  dense = _make(case, step_case.DENSE)
  tensors = dense.tensors()
  losses = [dense(), dense()]
  for name in (step_case.PUBLISHED, step_case.OURS):
    step = _make(case, name)
    step.load(tensors)
    np.testing.assert_allclose([step(), step()], losses, rtol=1e-5)


@pytest.mark.parametrize("name", step_case.DROPPING)
def test_keeping_all_trains_as_dense_bert(dense, name):
  _, tensors, losses = dense
  step = _make(WHOLE, name)
  step.load(tensors)
  np.testing.assert_allclose([step(), step()], losses, rtol=1e-5)


def test_weights_are_handed_over(dense):
  step = _make(WHOLE, step_case.PUBLISHED)
  changed = {name: value + 1.0 for name, value in dense[1].items()}
  step.load(changed)
  for name, value in step.tensors().items():
    np.testing.assert_array_equal(value, changed[name], name)


def test_a_published_step_moves_the_importance_of_predicted_ids():
  case = step_testing.TINY
  step = _make(case, step_case.PUBLISHED)
  step()
  (table,) = step.model.encoder_network.importance.get_weights()
  moved = np.flatnonzero(table != case.importance())
  assert set(moved) == set(case.batch()["masked_lm_ids"].flat)


def test_pytorch_has_the_same_first_loss(dense):
  _, tensors, losses = dense
  step = torch_bert.Step(WHOLE)
  step.load(tensors)
  np.testing.assert_allclose(step(), losses[0], rtol=1e-5)


def test_pytorch_learns():
  step = torch_bert.Step(WHOLE)
  losses = [step() for _ in range(20)]
  assert losses[-1] < losses[0] - 0.01
