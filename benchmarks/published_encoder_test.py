# SPDX-License-Identifier: Apache-2.0
"""Tests of the published wiring against Model Garden's BERT and ours."""

import numpy as np
import tensorflow as tf
from official.nlp.modeling import networks

from benchmarks import published_encoder
from token_dropping.models.bert import encoder

B, S, V = 2, 8, 200
SIZES = {
  "vocab_size": V,
  "num_layers": 4,
  "hidden_size": 8,
  "num_attention_heads": 2,
  "inner_dim": 16,
}


def _outputs(network) -> dict:
  """Returns what a network makes with weights that are not near zero."""
  rng = np.random.default_rng(0)
  ids = tf.constant(rng.integers(104, V, [B, S]), tf.int32)
  mask = tf.constant([[1] * S, [1] * 6 + [0] * 2])
  inputs = {
    "input_word_ids": ids * mask,
    "input_mask": mask,
    "input_type_ids": ids % 2,
  }
  network(inputs)
  for variable in network.trainable_variables:
    variable.assign(rng.normal(0.0, 0.5, variable.shape))
  return network(inputs)


def test_nothing_dropped_is_bert():
  published = _outputs(published_encoder.PublishedEncoder(S, **SIZES))
  bert = _outputs(networks.BertEncoderV2(**SIZES))
  for name in ("sequence_output", "pooled_output"):
    np.testing.assert_allclose(published[name], bert[name], atol=1e-5)


def test_computes_what_our_encoder_does():
  ours = encoder.TokenDropEncoder(
    token_keep_k=3, drop_at_inference=True, **SIZES
  )
  published = published_encoder.PublishedEncoder(3, **SIZES)
  scores = np.random.default_rng(1).uniform(1, 10, V).astype(np.float32)
  scores[0] = -1.0  # padding
  ours.importance_scorer.set_weights([scores])
  published.importance.set_weights([scores])
  np.testing.assert_allclose(
    _outputs(published)["sequence_output"],
    _outputs(ours)["sequence_output"],
    atol=1e-5,
  )
