# SPDX-License-Identifier: Apache-2.0
"""Tests of the final norm, with and without dropping."""

import numpy as np
import pytest
import tensorflow as tf

from tests import drops_testing
from tests import testing
from token_dropping.models import pretrainer
from token_dropping.models.bert import final_norm

SIZES, D = drops_testing.SIZES | {"norm_first": True}, drops_testing.D
batch, assert_same = drops_testing.batch, drops_testing.assert_same
make_encoder = drops_testing.make_encoder
GAMMA, BETA = np.linspace(0.5, 2.0, D), np.linspace(-1.0, 1.0, D)


def _normalized(states) -> np.ndarray:
  """Returns the norm of [..., D] states, from its definition."""
  states = np.asarray(states, np.float64)
  mean, variance = (f(states, -1, keepdims=True) for f in (np.mean, np.var))
  return (states - mean) / np.sqrt(variance + 1e-12) * GAMMA + BETA


def _with_norm(network):
  network.final_norm.gamma.assign(GAMMA)
  network.final_norm.beta.assign(BETA)
  return network


@pytest.fixture(scope="module")
def ours():
  return _with_norm(make_encoder(norm_first=True))


@pytest.fixture(scope="module")
def theirs():
  """Model Garden's, without a final norm, and with the same weights."""
  return drops_testing.bert(norm_first=True)


@pytest.fixture(scope="module")
def whole(theirs):
  """Model Garden's, and a final norm."""
  network = final_norm.FinalNormBert(**SIZES)
  network(batch(pretraining=False))
  return _with_norm(network)


def test_it_ends_the_sequence_and_comes_before_the_pooler(ours, theirs, whole):
  inputs = batch(pretraining=False)
  expected = theirs(inputs)
  expected["sequence_output"] = _normalized(expected["sequence_output"])
  first = expected["sequence_output"][:, 0].astype("float32")
  expected["pooled_output"] = theirs.pooler_layer(first)
  expected["encoder_outputs"][-1] = expected["sequence_output"]
  for network in (ours, whole):
    found = network(inputs)
    assert found.keys() == expected.keys()
    assert_same(tf.nest.flatten(found), tf.nest.flatten(expected))


def test_a_dropping_call_normalizes_what_the_loss_reads(ours):
  bare = make_encoder(norm_first=True, final_norm=False)
  found, states = (
    network(batch(), training=True)["sequence_output"].numpy()
    for network in (ours, bare)
  )
  expected = states.copy()
  for row, read in enumerate([[0, 2, 7], [0, 5, 11]]):
    expected[row, read] = _normalized(states[row, read])
  assert_same([found], [expected])


def test_keeping_all_trains_as_the_whole_network(whole):
  keeping = _with_norm(make_encoder(norm_first=True, token_keep_ratio=1.0))
  assert_same(
    drops_testing.loss_and_gradients(keeping, batch()),
    drops_testing.loss_and_gradients(whole, batch(pretraining=False)),
  )
  # Optimizers look for layer_norm.
  names = [weight.name for weight in whole.trainable_weights[-2:]]
  assert [name.partition("/")[2] for name in names] == [
    f"final_layer_norm/{name}:0" for name in ("gamma", "beta")
  ]


def test_checkpoints_hold_it_beside_an_ordinary_bert(ours, theirs, tmp_path):
  model = pretrainer.TokenDropPretrainer(ours)
  items = model.checkpoint_items
  path = tf.train.Checkpoint(model=model, **items).save(tmp_path / "ours")
  bert = drops_testing.bert(norm_first=True, initializer="zeros")
  tf.train.Checkpoint(encoder=bert).read(path).expect_partial()
  assert_same(bert.get_weights(), theirs.get_weights(), 0)
  names = [name for name, _ in tf.train.list_variables(path)]
  assert [name.split("/.")[0] for name in names if "norm/" in name[:12]] == [
    "final_norm/beta",
    "final_norm/gamma",
  ]
  restored = make_encoder(norm_first=True)
  made = tf.train.Checkpoint(encoder=restored, **restored.checkpoint_items)
  made.read(path).assert_existing_objects_matched()
  assert_same(restored.get_weights(), ours.get_weights(), 0)


def test_no_final_norm_unless_norms_come_first():
  bare = final_norm.FinalNormBert(**SIZES | {"norm_first": False})
  assert bare.final_norm is None and bare.checkpoint_items == {}
  assert not bare.get_config()["final_norm"]
  assert testing.refused(make_encoder, final_norm=True) == (
    "final_norm must be false unless norm_first is true. Received: true"
  )
