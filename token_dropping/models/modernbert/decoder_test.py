# SPDX-License-Identifier: Apache-2.0
"""Tests of ModernBERT as a decoder: who is seen, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gpt_testing
from tests import modernbert_testing
from tests import testing
from token_dropping.models.modernbert import decoder as decoder_lib
from token_dropping.models.modernbert import decoder_config
from token_dropping.models.modernbert import local_attention

NAME, S = gpt_testing.MODERNBERT, gpt_testing.S


@pytest.mark.parametrize("drop_type", ["skip", "context", "layerwise"])
def test_local_layers_are_those_with_a_dense_mask(drop_type, monkeypatch):
  """Of kept tokens, in documents, with slots that stay empty."""
  decoder = gpt_testing.make_scored(
    "hidden_norm", NAME, drop={"type": drop_type}
  )
  documents = tf.constant([[0] * 4 + [1] * (S - 4)] * 2)
  batch = gpt_testing.batch() | {"document_ids": documents}
  found = decoder(batch, training=True)["sequence_output"]
  windows = []

  def dense(*tokens_and_window):
    *tokens, distance, is_causal, _ = tokens_and_window
    windows.append((distance, is_causal))
    return modernbert_testing.dense_attention(*tokens, distance, is_causal)

  monkeypatch.setattr(local_attention, "attend", dense)
  wanted = decoder(batch, training=True)["sequence_output"]
  np.testing.assert_allclose(found, wanted, atol=1e-5)
  assert windows == [(3, True)] * 2


def test_tokens_see_half_of_the_window_up_to_themselves():
  """What a token's id changes in local layers, layer by layer."""
  sizes = gpt_testing.SIZES | {"num_layers": 3, "local_attention": 6}
  local = decoder_lib.CausalModernBert(**sizes)
  one = gpt_testing.batch()
  local(one)
  attention = local.transformer_layers[0].attention
  attention.output_kernel.assign(0 * attention.output_kernel)  # it is global
  found, wanted = (
    local(inputs)["encoder_outputs"] for inputs in (one, gpt_testing.batch(2))
  )
  for layers, (state, other) in enumerate(zip(found, wanted, strict=True)):
    changed = np.abs(state - other)[0].max(axis=-1) > 0
    assert np.flatnonzero(changed).tolist() == [*range(2, 3 + 2 * layers)]


def test_fields_of_neither_side_are_refused():
  for fields, rule in (
    ({"drop": {"type": "pool"}}, "drop.type must be skip, context or "),
    ({"vocab_file": "vocab.txt"}, "vocab_file must be unset: "),
    ({"local_attention": 7}, "local_attention must be even: "),
  ):
    config = decoder_config.ModernBertDecoderConfig(**fields)
    assert testing.refused(config.check).startswith(rule)
