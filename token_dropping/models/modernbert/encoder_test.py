# SPDX-License-Identifier: Apache-2.0
"""Tests of ModernBERT that drops tokens."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import drops_testing
from tests import modernbert_testing
from tests import testing
from token_dropping.models.modernbert import encoder as encoder_lib
from token_dropping.models.modernbert import local_attention
from token_dropping.models.modernbert import network

B, S, D, V = drops_testing.B, drops_testing.S, drops_testing.D, drops_testing.V
assert_same, batch = drops_testing.assert_same, drops_testing.batch
loss_and_gradients = drops_testing.loss_and_gradients
SIZES = modernbert_testing.SIZES
make_encoder = modernbert_testing.make_encoder
make_network = modernbert_testing.make_network
STAGES = [{"layer": 1, "keep_ratio": 0.75}, {"layer": 2, "keep_ratio": 0.5}]


@functools.cache
def _encoder() -> encoder_lib.ModernBertEncoder:
  """Returns one that drops in layers 1 and 2, shared by tests."""
  return make_encoder(drop_layer=1)


def test_keeping_all_is_the_network():
  encoder = make_encoder(token_keep_ratio=1.0, drop_layer=1)
  wanted = loss_and_gradients(
    modernbert_testing.make_network(), batch(pretraining=False)
  )
  assert_same(loss_and_gradients(encoder, batch()), wanted)


@pytest.mark.parametrize(
  ("drop_type", "window"),
  [("skip", 2), ("context", 2), ("layerwise", 2), ("skip", 4 * S)],
)
def test_local_layers_are_those_with_a_dense_mask(
  drop_type, window, monkeypatch
):
  """In two stages, with padding and documents, the last layer where read."""
  encoder = make_encoder(
    stages=STAGES, drop={"type": drop_type}, local_attention=window
  )
  documents = {"document_ids": tf.constant([[0] * 5 + [1] * (S - 5)] * B)}
  found = loss_and_gradients(encoder, batch() | documents)
  calls = []

  def dense(query, key, value, queries, keys, distance, is_causal, dropout):
    calls.append((queries.count, keys.count, distance, dropout))
    return modernbert_testing.dense_attention(
      query, key, value, queries, keys, distance, is_causal
    )

  monkeypatch.setattr(local_attention, "attend", dense)
  assert_same(found, loss_and_gradients(encoder, batch() | documents))
  kept = {"skip": 9, "context": S, "layerwise": 6}[drop_type]
  first = 9 if drop_type == "layerwise" else S
  assert calls == [(9, first, window // 2, None), (6, kept, window // 2, None)]


@pytest.mark.parametrize("every", [3, 2], ids=["global", "local"])
def test_only_read_positions_of_the_last_layer_is_exact(every):
  encoder = make_encoder(global_every=every, drop_at_inference=True)
  restricted = loss_and_gradients(encoder, batch())
  wanted = loss_and_gradients(encoder, batch(pretraining=False))
  assert_same(restricted, wanted)


def test_documents_do_not_see_one_another():
  documents = tf.constant([[0] * 5 + [1] * (S - 5)] * B)
  inputs = batch(padding=0, pretraining=False) | {"document_ids": documents}
  others = inputs["input_word_ids"] + documents
  found, wanted = (
    make_network()(each)["sequence_output"].numpy()
    for each in (inputs | {"input_word_ids": others}, inputs)
  )
  np.testing.assert_array_equal(found[:, :5], wanted[:, :5])
  assert (np.abs(found - wanted)[:, 5:].max(axis=-1) > 1e-4).all()


def test_tokens_see_their_neighbours_and_none_beyond():
  """In local layers alone: what a token's id changes, layer by layer."""
  local = network.ModernBert(**(SIZES | {"num_layers": 3, "global_every": 3}))
  inputs = batch(padding=0, pretraining=False)
  local(inputs)
  local.transformer_layers[0].attention.output_kernel.assign(
    tf.zeros([2, D // 2, D])  # the global layer adds nothing
  )
  others = inputs["input_word_ids"] + tf.one_hot([6] * B, S, dtype=tf.int32)
  found, wanted = (
    local(each)["encoder_outputs"]
    for each in (inputs, inputs | {"input_word_ids": others})
  )
  for reach, (one, other) in enumerate(zip(found, wanted, strict=True)):
    changed = np.abs(one - other)[0].max(axis=-1) > 0
    assert np.flatnonzero(changed).tolist() == [*range(6 - reach, 7 + reach)]


def test_mixed_precision():
  tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
  try:
    encoder = make_encoder()
    outputs = encoder(batch(), training=True)
  finally:
    tf_keras.mixed_precision.set_global_policy("float32")
  assert outputs["sequence_output"].dtype == tf.bfloat16
  wanted = make_encoder()(batch(), training=True)["sequence_output"]
  found = tf.cast(outputs["sequence_output"], tf.float32)
  np.testing.assert_allclose(found, wanted, atol=0.1)


def test_checkpoint_has_names_that_read_well(tmp_path):
  path = tf.train.Checkpoint(encoder=_encoder()).save(tmp_path / "ours")
  names = [name for name, _ in tf.train.list_variables(path)]
  found = {
    name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
    for name in names
    if name.startswith("encoder/")
  }
  layer = [
    "attention/output_kernel",
    "attention/qkv_kernel",
    "attention_norm/gamma",
    "feed_forward/input_kernel",
    "feed_forward/output_kernel",
    "feed_forward_norm/gamma",
  ]
  expected = {f"_transformer_layers/{i}/{n}" for i in range(4) for n in layer}
  expected -= {"_transformer_layers/0/attention_norm/gamma"}
  expected |= {
    "_embedding_layer/embeddings",
    "_embedding_norm_layer/gamma",
    "_final_norm_layer/gamma",
  }
  assert found == {f"encoder/{name}" for name in expected}
  plain = network.ModernBert(**(SIZES | {"max_position_embeddings": 9 * S}))
  plain(batch(pretraining=False))
  tf.train.Checkpoint(encoder=plain).restore(path).assert_consumed()
  assert_same(plain.get_weights(), _encoder().get_weights(), 0)


def test_config_round_trip():
  encoder = _encoder()
  config = encoder.get_config()
  copy = encoder_lib.ModernBertEncoder.from_config(config)
  assert copy.get_config() == config
  assert copy.drop_plan == encoder.drop_plan


def test_keras_saved_model_round_trip(tmp_path):
  inputs = {
    name: tf_keras.Input([S], dtype=tf.int32, name=name)
    for name in batch(pretraining=False)
  }
  sizes = SIZES | {"num_layers": 1, "token_keep_ratio": 1.0}
  encoder = encoder_lib.ModernBertEncoder(**sizes)
  model = tf_keras.Model(inputs, encoder(inputs)["sequence_output"])
  model.save(tmp_path / "model")
  loaded = tf_keras.models.load_model(tmp_path / "model")
  data = batch(pretraining=False)
  assert_same([loaded(data)], [model(data)], 1e-6)


def test_means_of_neighbours_are_refused():
  assert testing.refused(make_encoder, drop={"type": "pool"}) == (
    "drop.type must be skip, context or layerwise in ModernBERT. Received: pool"
  )
