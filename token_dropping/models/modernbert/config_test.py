# SPDX-License-Identifier: Apache-2.0
"""Tests of ModernBERT's fields: their way to the encoder, and their rules."""

import pytest
import tensorflow as tf
from official.nlp.configs import encoders

from tests import testing
from token_dropping.models.modernbert import config as config_lib
from token_dropping.models.modernbert import encoder as encoder_lib
from token_dropping.models.modernbert import network

# A value unlike the default for every field of the network.
FIELDS = {
  "vocab_size": 60,
  "hidden_size": 12,
  "num_layers": 4,
  "num_attention_heads": 3,
  "intermediate_size": 10,
  "hidden_activation": "relu",
  "max_position_embeddings": 20,
  "global_every": 2,
  "local_attention": 4,
  "global_rope_theta": 300.0,
  "local_rope_theta": 50.0,
  "norm_eps": 0.5,
  "initializer_range": 0.3,
  "dropout_rate": 0.3,
  "attention_dropout_rate": 0.4,
}
DROPPING = {
  "token_keep_ratio": 0.25,
  "drop_layer": 0,
  "drop": {"type": "layerwise"},
  "importance": {"type": "mlm_loss_noise", "temperature": 0.25},
}


def _built(**changes) -> encoder_lib.ModernBertEncoder:
  config = config_lib.ModernBertConfig()
  config.override(FIELDS | DROPPING | changes)
  config = encoders.EncoderConfig(type="any", any=config)
  return encoders.build_encoder(config)


def test_every_field_reaches_the_encoder():
  assert set(FIELDS) == set(network.FIELDS)
  defaults = config_lib.ModernBertConfig()
  fields = _built().get_config()
  for name, value in (FIELDS | DROPPING).items():
    assert getattr(defaults, name) != value, name
    is_dict = isinstance(value, dict)
    assert not is_dict or fields[name].items() >= value.items(), name
    assert is_dict or fields[name] == value, name


def test_every_field_reaches_its_layer():
  encoder = _built(initializer_range=1e-6)
  encoder({"input_word_ids": tf.zeros([1, 4], tf.int32)})
  first, second, third, _ = encoder.transformer_layers
  assert first.attention_norm is None and second.attention_norm.epsilon == 0.5
  assert [first.attention._theta, third.attention._theta] == [300, 300]
  assert (second.attention._theta, second.attention.distance) == (50, 2)
  assert first.attention.qkv_kernel.shape == [12, 3, 3, 4]
  assert second.feed_forward.input_kernel.shape == [12, 20]
  assert second._attention_dropout.rate == second._output_dropout.rate == 0.3
  assert second.attention._dropout == 0.4
  assert encoder._embedding_dropout.rate == 0.3
  # Truncated at twice the standard deviation, which 8 blocks divide.
  for kernel, most in (
    (encoder.get_embedding_table(), 2e-6),
    (second.attention.qkv_kernel, 2e-6),
    (second.feed_forward.input_kernel, 2e-6),
    (second.attention.output_kernel, 2e-6 / 8**0.5),
    (second.feed_forward.output_kernel, 2e-6 / 8**0.5),
  ):
    largest = float(tf.reduce_max(tf.abs(kernel)))
    assert 0.6 * most < largest < 1.001 * most


def test_weights_are_counted_but_for_the_norms():
  fields = config_lib.ModernBertConfig(**FIELDS)
  shapes = [weight.shape for weight in fields.build_plain().weights]
  matrices = [shape for shape in shapes if len(shape) > 1]
  assert len(shapes) - len(matrices) == 2 * 4 + 1  # none in the first layer
  counted = sum(shape.num_elements() for shape in matrices)
  assert fields.count_weights() == counted


def test_the_defaults_are_those_of_the_published_base():
  transformers = pytest.importorskip("transformers")
  theirs, ours = transformers.ModernBertConfig(), config_lib.ModernBertConfig()
  ours.check()
  ours.check_pretraining(seq_length=1024)
  names = {"num_layers": "num_hidden_layers"}
  same = set(FIELDS) - {
    *("hidden_activation", "global_every", "dropout_rate"),
    *("attention_dropout_rate", "global_rope_theta", "local_rope_theta"),
  }
  for name in same:
    assert getattr(ours, name) == getattr(theirs, names.get(name, name)), name
  kinds = ["sliding_attention", "full_attention"]
  found = [kinds[ours.is_global(i)] for i in range(ours.num_layers)]
  assert found == theirs.layer_types
  thetas = [ours.local_rope_theta, ours.global_rope_theta]
  assert thetas == [theirs.rope_parameters[k]["rope_theta"] for k in kinds]


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    (
      {"hidden_size": 20, "num_attention_heads": 4},
      "hidden_size must be an even multiple of num_attention_heads (4): "
      "positions turn the numbers of a head in pairs. Received: 20",
    ),
    (
      {"local_attention": 7},
      "local_attention must be even: half of it is how far a token sees. "
      "Received: 7",
    ),
  ],
)
def test_sizes_that_do_not_fit_are_refused(fields, message):
  config = config_lib.ModernBertConfig(**fields)
  assert testing.refused(config.check) == message


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    (
      {"num_layers": 12},
      "num_layers must be 1 more than a multiple of global_every (3): the last "
      "layer, which the loss reads, is then global. Received: 12",
    ),
    (
      {"local_attention": 130},
      "local_attention must be at most 128, the data's seq_length: with a "
      "longer window no layer is local. Received: 130",
    ),
  ],
)
def test_what_is_not_to_be_pretrained_is_refused(fields, message):
  config = config_lib.ModernBertConfig(**fields)
  assert testing.refused(config.check_pretraining, 128) == message
