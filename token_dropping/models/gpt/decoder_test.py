# SPDX-License-Identifier: Apache-2.0
"""Tests of GPT-2 that drops tokens: nothing is seen of what comes after."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gpt_testing
from tests import testing
from token_dropping.models.causal import language_model
from token_dropping.models.gpt import decoder as decoder_lib

S = gpt_testing.S
batch, make_decoder = gpt_testing.batch, gpt_testing.make_decoder


def _states(network, inputs: dict, **kwargs) -> np.ndarray:
  return network(inputs, **kwargs)["sequence_output"].numpy()


def test_keeping_all_is_the_network():
  decoder = make_decoder(token_keep_ratio=1.0)
  found = _states(decoder, batch(), training=True)
  wanted = _states(gpt_testing.make_network(), batch())
  np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("drop_type", ["skip", "context", "layerwise"])
@pytest.mark.parametrize("place", [0, 5, S - 1])
def test_outputs_do_not_depend_on_later_tokens(drop_type, place):
  """To the bit, and later ones do."""
  decoder = make_decoder(drop={"type": drop_type}, drop_layer=1)
  one, other = (
    _states(decoder, batch(changed), training=True) for changed in (None, place)
  )
  np.testing.assert_array_equal(one[:, :place], other[:, :place])
  assert (one[:, place] != other[:, place]).any(axis=-1).all()
  whole = _states(decoder, batch())
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
def test_outputs_do_not_depend_on_later_tokens_by_score(kind, drop_type, place):
  """Whatever stays of those that are changed."""
  decoder = gpt_testing.make_scored(kind, drop={"type": drop_type})
  one, *others = (
    _states(decoder, batch(changed, more), training=True)
    for changed, more in [(None, 0)] + [(place, more) for more in range(1, 9)]
  )
  for other in others:
    np.testing.assert_array_equal(one[:, :place], other[:, :place])
  whole = _states(decoder, batch())
  assert np.abs(one - whole).max() > 1e-3  # something was dropped


def test_the_highest_scores_tell_of_later_tokens():
  """Why they are not what a causal network has unless it is asked for."""
  decoder = gpt_testing.make_scored("frequency", selection={"type": "top_k"})
  one, *others = (
    _states(decoder, batch(changed, more), training=True)
    for changed, more in [(None, 0)] + [(8, more) for more in range(1, 9)]
  )
  assert any((one[:, :8] != other[:, :8]).any() for other in others)


def test_empty_slots_are_seen_by_nobody():
  """Kept tokens have the states that they have among themselves alone."""
  decoder = gpt_testing.make_scored("next_token_loss")
  outputs = decoder(batch(), training=True)
  kept = outputs["kept_positions"].numpy()
  assert (kept >= S).any()  # this is one
  np.testing.assert_array_equal(
    outputs["computed_share"].numpy().sum(axis=1), (kept < S).sum(axis=1)
  )
  for row, places in enumerate(kept):
    there = decoder._embed({k: v[row : row + 1] for k, v in batch().items()})
    layers = decoder.transformer_layers
    causal = np.tril(np.ones([1, S, S], "f"))
    states = layers[0]([there.states, causal])
    real = places[places < S]
    some = tf.gather(layers[1]([states, causal]), real, axis=1)
    some = layers[2]([some, causal[:, : len(real), : len(real)]])
    found = outputs["encoder_outputs"][2][row].numpy()
    np.testing.assert_allclose(found[real], some[0], atol=1e-5)


def test_kept_tokens_see_those_at_earlier_positions_alone():
  """The other way to compute it: all layers see all, behind a mask."""
  decoder = make_decoder(drop_layer=1)
  outputs = decoder(batch(), training=True)
  kept = outputs["kept_positions"].numpy()
  found = outputs["sequence_output"].numpy()
  states = decoder._embed(batch())
  layers = decoder.transformer_layers
  causal = np.tril(np.ones([S, S], "f"))
  seen = np.zeros([gpt_testing.B, S, S], "f")
  for row, places in enumerate(kept):
    seen[row][:, places] = causal[:, places]
  x = layers[0]([states.states, np.tile(causal, [2, 1, 1])])
  dropped = x.numpy()
  x = layers[1]([x, np.tile(causal, [2, 1, 1])])
  x = layers[2]([x, seen]).numpy()
  for row, places in enumerate(kept):
    dropped[row][places] = x[row][places]
  x = layers[3]([dropped, np.tile(causal, [2, 1, 1])])
  np.testing.assert_allclose(found, decoder._final_norm_layer(x), atol=1e-5)


def test_documents_do_not_see_one_another():
  documents = {"document_ids": tf.constant([[0] * 5 + [1] * (S - 5)] * 2)}
  network = gpt_testing.make_network()
  one, other = (
    _states(network, batch(changed) | documents) for changed in (None, 2)
  )
  np.testing.assert_array_equal(one[:, 5:], other[:, 5:])
  assert (one[:, 2:5] != other[:, 2:5]).any()


def test_only_read_positions_of_the_last_layer_is_exact():
  decoder = make_decoder(drop_layer=1)
  model = language_model.LanguageModel(decoder)
  positions = tf.constant([[0, 3, 4], [1, 7, 11]])
  whole = model(batch(), training=True)
  read = model(batch() | {"loss_positions": positions}, training=True)
  wanted = tf.gather(whole["logits"], positions, batch_dims=1)
  np.testing.assert_allclose(read["logits"], wanted, atol=1e-5)
  last, before = read["encoder_outputs"][-1], read["encoder_outputs"][-2]
  np.testing.assert_array_equal(last[0, 1], before[0, 1])


def test_pooled_neighbours_are_refused():
  refused = testing.refused(
    decoder_lib.GptDecoder, num_layers=4, drop={"type": "pool"}, vocab_size=9
  )
  assert refused == (
    "drop.type must be skip, context or layerwise in a causal network. "
    "Received: pool"
  )
