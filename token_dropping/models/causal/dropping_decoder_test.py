# SPDX-License-Identifier: Apache-2.0
"""Tests of causal networks that drop: nothing is seen of what comes after."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gpt_testing
from token_dropping.models.causal import language_model

S = gpt_testing.S
DOCUMENTS = {"document_ids": tf.constant([[0] * 4 + [1] * (S - 4)] * 2)}
batch, make_decoder = gpt_testing.batch, gpt_testing.make_decoder


@pytest.fixture(params=gpt_testing.NETWORKS)
def name(request):
  return request.param


def _states(network, inputs: dict, **kwargs) -> np.ndarray:
  return network(inputs, **kwargs)["sequence_output"].numpy()


def test_keeping_all_is_the_network(name):
  decoder = make_decoder(name, token_keep_ratio=1.0)
  found = _states(decoder, batch(), training=True)
  wanted = _states(gpt_testing.make_network(name), batch())
  np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("drop_type", ["skip", "context", "layerwise"])
@pytest.mark.parametrize("place", [0, 5, S - 1])
@pytest.mark.parametrize("more", [{}, DOCUMENTS], ids=["one", "documents"])
def test_outputs_do_not_depend_on_later_tokens(name, drop_type, place, more):
  """To the bit, and later ones do."""
  decoder = make_decoder(name, drop={"type": drop_type}, drop_layer=1)
  one, other = (
    _states(decoder, batch(changed) | more, training=True)
    for changed in (None, place)
  )
  np.testing.assert_array_equal(one[:, :place], other[:, :place])
  assert (one[:, place] != other[:, place]).any(axis=-1).all()
  whole = _states(decoder, batch() | more)
  assert np.abs(one - whole).max() > 1e-3  # something was dropped


@pytest.mark.parametrize(
  ("kind", "drop_type"),
  [
    ("frequency", "skip"),
    ("next_token_loss", "context"),
    ("hidden_norm", "skip"),
    ("hidden_norm", "layerwise"),
  ],
)
@pytest.mark.parametrize("place", [3, 5])
def test_by_score_outputs_do_not_depend_on_later_tokens(
  name, kind, drop_type, place
):
  """Whatever stays of those that are changed."""
  decoder = gpt_testing.make_scored(kind, name, drop={"type": drop_type})
  one, *others = (
    _states(decoder, batch(changed, more), training=True)
    for changed, more in [(None, 0)] + [(place, more) for more in range(1, 9)]
  )
  for other in others:
    np.testing.assert_array_equal(one[:, :place], other[:, :place])
  whole = _states(decoder, batch())
  assert np.abs(one - whole).max() > 1e-3  # something was dropped


def test_the_highest_scores_tell_of_later_tokens(name):
  """Why they are not what a causal network has unless it is asked for."""
  decoder = gpt_testing.make_scored(
    "frequency", name, selection={"type": "top_k"}
  )
  one, *others = (
    _states(decoder, batch(changed, more), training=True)
    for changed, more in [(None, 0)] + [(8, more) for more in range(1, 9)]
  )
  assert any((one[:, :8] != other[:, :8]).any() for other in others)


def test_documents_do_not_see_one_another(name):
  network = gpt_testing.make_network(name)
  one, other = (
    _states(network, batch(changed) | DOCUMENTS) for changed in (None, 2)
  )
  np.testing.assert_array_equal(one[:, 4:], other[:, 4:])
  assert (one[:, 2:4] != other[:, 2:4]).any()


def test_only_read_positions_of_the_last_layer_is_exact(name):
  decoder = make_decoder(name, drop_layer=1)
  head = gpt_testing.make_model(name).head
  model = language_model.LanguageModel(decoder, head)
  positions = tf.constant([[0, 3, 4], [1, 7, 11]])
  whole = model(batch(), training=True)
  read = model(batch() | {"loss_positions": positions}, training=True)
  wanted = tf.gather(whole["logits"], positions, batch_dims=1)
  np.testing.assert_allclose(read["logits"], wanted, atol=1e-5)
  last, before = read["encoder_outputs"][-1], read["encoder_outputs"][-2]
  np.testing.assert_array_equal(last[0, 1], before[0, 1])


def test_a_later_stage_keeps_its_share_of_the_whole_sequence():
  """All are over thresholds that are not known; 1 slot of 6 is to be empty."""
  stages = [{"layer": 1, "keep_ratio": 0.5}, {"layer": 2, "keep_ratio": 0.25}]
  decoder = make_decoder(
    importance={"type": "frequency"}, selection={"slack": 1.2}, stages=stages
  )
  outputs = decoder(batch(), training=True)
  excess = outputs["selection_sums"][:, 1] / len(batch()["input_word_ids"])
  # 8 slots hold 6.7 of 12 tokens; 4 slots hold half of what 8 do.
  np.testing.assert_allclose(excess, [0, 12 - 8 / 1.2, 8 - 4, 0], rtol=1e-5)
