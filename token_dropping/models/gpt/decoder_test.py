# SPDX-License-Identifier: Apache-2.0
"""Tests of GPT-2 that drops tokens: what kept tokens see."""

import numpy as np
import tensorflow as tf

from tests import gpt_testing
from tests import testing
from token_dropping.models.gpt import decoder as decoder_lib

S = gpt_testing.S
batch, make_decoder = gpt_testing.batch, gpt_testing.make_decoder


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


def test_pooled_neighbours_are_refused():
  refused = testing.refused(
    decoder_lib.GptDecoder, num_layers=4, drop={"type": "pool"}, vocab_size=9
  )
  assert refused == (
    "drop.type must be skip, context or layerwise in a causal network. "
    "Received: pool"
  )
