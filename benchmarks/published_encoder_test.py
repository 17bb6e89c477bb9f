# SPDX-License-Identifier: Apache-2.0
"""Tests of the published wiring against Model Garden's BERT and ours."""

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.modeling import networks

from benchmarks import published_encoder
from token_dropping.models import encoder

B, S, V = 2, 8, 200
SIZES = {
  "vocab_size": V,
  "num_layers": 4,
  "hidden_size": 8,
  "num_attention_heads": 2,
  "inner_dim": 16,
}


def _inputs() -> dict:
  rng = np.random.default_rng(0)
  ids = tf.constant(rng.integers(104, V, [B, S]), tf.int32)
  mask = tf.constant([[1] * S, [1] * 6 + [0] * 2])
  return {
    "input_word_ids": ids * mask,
    "input_mask": mask,
    "input_type_ids": ids % 2,
  }


def _random_weights(network, seed: int = 0) -> list[np.ndarray]:
  """Returns values for the trainable weights that are not near zero."""
  rng = np.random.default_rng(seed)
  shapes = [variable.shape for variable in network.trainable_variables]
  return [rng.normal(0.0, 0.5, shape).astype(np.float32) for shape in shapes]


def _outputs(network, inputs: dict) -> dict:
  network(inputs)
  values = _random_weights(network)
  for variable, value in zip(network.trainable_variables, values, strict=True):
    variable.assign(value)
  return network(inputs)


def test_nothing_dropped_is_bert():
  inputs = _inputs()
  published = _outputs(published_encoder.PublishedEncoder(S, **SIZES), inputs)
  bert = _outputs(networks.BertEncoderV2(**SIZES), inputs)
  for name in ("sequence_output", "pooled_output"):
    np.testing.assert_allclose(published[name], bert[name], atol=1e-5)


@pytest.mark.parametrize("keep", [3, 5])
def test_computes_what_our_encoder_does(keep):
  inputs = _inputs()
  ours = encoder.TokenDropEncoder(
    token_keep_k=keep, drop_at_inference=True, **SIZES
  )
  published = published_encoder.PublishedEncoder(keep, **SIZES)
  scores = np.random.default_rng(1).uniform(1, 10, V).astype(np.float32)
  scores[0] = -1.0  # padding
  ours.importance_scorer.set_weights([scores])
  published.importance.set_weights([scores])
  np.testing.assert_allclose(
    _outputs(published, inputs)["sequence_output"],
    _outputs(ours, inputs)["sequence_output"],
    atol=1e-5,
  )


def test_layers_between_see_kept_tokens_alone():
  sizes = SIZES | {"num_layers": 6}
  outputs = published_encoder.PublishedEncoder(3, **sizes)(_inputs())
  shapes = [states.shape.as_list() for states in outputs["encoder_outputs"]]
  assert shapes == [[B, n, 8] for n in (S, S, 3, 3, 3, S)]


def test_importance_moves_toward_the_loss():
  network = published_encoder.PublishedEncoder(3, beta=0.5, **SIZES)
  network.importance.update_token_importance([[4, 7]], [[2.0, 4.0]])
  (table,) = network.importance.get_weights()
  assert table[[4, 7, 8]].tolist() == [6.0, 7.0, 10.0]
