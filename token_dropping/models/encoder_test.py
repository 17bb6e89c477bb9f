# SPDX-License-Identifier: Apache-2.0
"""Tests of the encoder, most of them equalities with `BertEncoderV2`."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.nlp.configs import encoders

from tests import drops_testing
from token_dropping.dropping import tokens
from token_dropping.models import encoder as encoder_lib
from token_dropping.models import pretrainer

B, S, D, V = drops_testing.B, drops_testing.S, drops_testing.D, drops_testing.V
L = drops_testing.L
assert_same = drops_testing.assert_same
at, put = drops_testing.at, drops_testing.put
loss_and_gradients = drops_testing.loss_and_gradients


def _batch(**kwargs) -> dict:
  return drops_testing.batch(pretraining=False, **kwargs)


def _encoder(**kwargs) -> encoder_lib.TokenDropEncoder:
  arguments = drops_testing.SIZES | drops_testing.SPECIAL | kwargs
  encoder = encoder_lib.TokenDropEncoder(**arguments)
  encoder(_batch())
  return encoder


def _pair(norm_first: bool = False, **kwargs):
  """Returns a token-dropping encoder and a BERT with the same weights."""
  encoder = _encoder(norm_first=norm_first, **kwargs)
  bert = drops_testing.make_bert(norm_first=norm_first)
  encoder.set_weights(bert.get_weights())
  return encoder, bert


@pytest.mark.parametrize(
  ("norm_first", "fields"),
  [
    (False, {"token_keep_ratio": 1.0}),
    (True, {"token_keep_ratio": 1.0}),
    (
      False,
      {"stages": [{"layer": i, "keep_ratio": 1.0} for i in range(2)]},
    ),
  ],
)
def test_keeping_all_is_bert(norm_first, fields):
  encoder, bert = _pair(norm_first, **fields)
  ours, theirs = (n(_batch(), training=True) for n in (encoder, bert))
  assert ours.keys() == theirs.keys()
  assert_same(tf.nest.flatten(ours), tf.nest.flatten(theirs), 1e-6)
  assert_same(
    loss_and_gradients(encoder, drops_testing.batch()),
    loss_and_gradients(bert, _batch()),
  )


@pytest.mark.parametrize("training", [False, True])
def test_all_but_pretraining_is_bert(training):
  """Evaluation with, and fine-tuning without masked positions."""
  encoder, bert = _pair()
  batch = drops_testing.batch(pretraining=not training)
  ours, theirs = encoder(batch, training=training), bert(_batch())
  assert ours.keys() == theirs.keys()
  assert_same(tf.nest.flatten(ours), tf.nest.flatten(theirs), 1e-6)


def test_unread_positions_hold_the_state_before_the_last_layer():
  outputs = _encoder()(drops_testing.batch(), training=True)
  before, after = outputs["encoder_outputs"][-2:]
  for row, read in enumerate([{0, 2, 7}, {0, 5, 11}]):
    same = [np.array_equal(before[row, i], after[row, i]) for i in range(S)]
    assert [i for i in range(S) if not same[i]] == sorted(read)


def test_middle_layers_equal_a_hand_written_pass():
  encoder = _encoder(token_keep_k=5, drop_layer=1, restore_layer=3)
  outputs = encoder(drops_testing.batch(), training=True)
  kept, layers = outputs["kept_positions"], encoder.transformer_layers
  states = outputs["encoder_outputs"]
  mask = tf.cast(_batch()["input_mask"], tf.float32)

  all_keys = tf.repeat(mask[:, tf.newaxis], 5, axis=1)  # [B, K, S]
  one = layers[1]([at(states[0], kept), states[0], all_keys])
  kept_keys = tf.repeat(at(mask, kept)[:, tf.newaxis], 5, axis=1)  # [B, K, K]
  two = layers[2]([one, kept_keys])
  assert_same([at(states[1], kept), at(states[2], kept)], [one, two], 1e-6)
  dropped = [sorted(set(range(S)) - set(row)) for row in kept.numpy().tolist()]
  for layer in (1, 2):  # the others wait
    assert_same([at(states[layer], dropped)], [at(states[0], dropped)], 0)


def test_stages_equal_a_hand_written_pass():
  stages = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.5}]
  encoder, batch = _encoder(stages=stages, restore_layer=2), _batch()
  ids, layers = batch["input_word_ids"], encoder.transformer_layers
  losses = tf.random.stateless_uniform([B, S], [0, 2], 1.0, 9.0)
  encoder.importance_scorer.update(ids, losses, batch["input_mask"])
  outputs = encoder(drops_testing.batch(), training=True)

  mask = tf.cast(batch["input_mask"], tf.float32)
  scores = encoder.importance_scorer(ids)
  nine, six = (tokens.select(scores, keep, mask) for keep in (9, 6))
  places = tf.searchsorted(nine, six)  # where the six are among the nine
  start = encoder._embed(batch).states
  one = layers[0]([at(start, nine), start, drops_testing.row(mask)])
  two = layers[1]([at(one, places), one, drops_testing.row(at(mask, nine))])
  assert_same([outputs["kept_positions"]], [six], 0)
  # The others have the state that they left with.
  expected = put(put(start, one, nine), two, six)
  after = outputs["encoder_outputs"][1]
  assert_same([after], [expected])
  third = layers[2]([after, drops_testing.row(mask)])
  assert_same([outputs["encoder_outputs"][2]], [third])


def test_important_tokens_are_kept_and_padding_is_not():
  encoder = _encoder(token_keep_k=3)
  ids = tf.constant([[2, 9, 8, 7, 3, 0, 0, 0]])
  encoder.importance_scorer.update([[7, 8, 9]], [[9.0, 1.0, 5.0]], [[1.0] * 3])
  batch = {
    "input_word_ids": ids,
    "input_mask": tf.constant([[1, 1, 1, 1, 1, 0, 0, 0]]),
    "input_type_ids": 0 * ids,
    "masked_lm_positions": tf.constant([[1]]),
  }
  outputs = encoder(batch, training=True)
  # [CLS] 2 and [SEP] 3 are pinned; 7 lost most.
  assert outputs["kept_positions"].numpy().tolist() == [[0, 3, 4]]


def test_drop_in_training_drops_there_and_only_there():
  """The same numbers as dropping everywhere, the same names as BERT."""
  encoder = _encoder(drop_in_training=True)
  everywhere = _encoder(drop_at_inference=True)
  everywhere.set_weights(encoder.get_weights())
  dropped = everywhere(_batch(), training=False)
  assert dropped["kept_positions"].shape == [B, S // 2]
  ours = encoder(_batch(), training=True)
  added = {"kept_positions", "computed_share", "token_scores"}
  assert dropped.keys() - ours.keys() == added
  assert_same([ours["sequence_output"]], [dropped["sequence_output"]], 1e-6)
  whole = encoder(_batch(), training=False)["sequence_output"]
  assert not np.allclose(ours["sequence_output"], whole, atol=1e-3)


def test_compiles_with_xla():
  encoder, batch = _encoder(), drops_testing.batch()
  compiled = tf.function(
    lambda: loss_and_gradients(encoder, batch), jit_compile=True
  )
  assert_same(loss_and_gradients(encoder, batch), compiled(), 1e-4)


def test_graph_sorts_with_top_k_and_has_static_shapes():
  encoder = _encoder()
  step = tf.function(
    lambda: loss_and_gradients(encoder, drops_testing.batch())
  ).get_concrete_function()
  kinds = {op.type for op in step.graph.get_operations()}
  assert "TopKV2" in kinds
  assert not kinds & {"Where", "Unique", "NonMaxSuppressionV3", "PyFunc"}


def test_checkpoint_restores_into_bert_v2_and_back(tmp_path):
  encoder, bert = _encoder(), drops_testing.make_bert()
  path = tf.train.Checkpoint(encoder=encoder).save(tmp_path / "ours")
  tf.train.Checkpoint(encoder=bert).restore(path).assert_consumed()
  assert_same(bert.get_weights(), encoder.get_weights(), 0)

  theirs = drops_testing.make_bert(initializer="zeros")
  path = tf.train.Checkpoint(encoder=theirs).save(tmp_path / "theirs")
  tf.train.Checkpoint(encoder=encoder).restore(path).assert_consumed()
  assert_same(encoder.get_weights(), theirs.get_weights(), 0)


@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
def test_checkpoint_restores_into_model_gardens_encoders(kind, tmp_path):
  encoder = _encoder()
  sizes = {
    "vocab_size": V,
    "hidden_size": D,
    "num_layers": L,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": S,
    "type_vocab_size": 2,
  }
  config = encoders.EncoderConfig({"type": kind, kind: sizes})
  theirs = encoders.build_encoder(config)
  theirs(_batch())
  path = tf.train.Checkpoint(encoder=encoder).save(tmp_path / "ours")
  status = tf.train.Checkpoint(encoder=theirs).restore(path)
  status.assert_existing_objects_matched()
  assert_same(
    [theirs(_batch(), training=False)["sequence_output"]],
    [encoder(_batch(), training=False)["sequence_output"]],
  )


def test_keras_saved_model_round_trip(tmp_path):
  encoder = _encoder()
  inputs = {
    name: tf_keras.Input([S], dtype=tf.int32, name=name) for name in _batch()
  }
  model = tf_keras.Model(inputs, encoder(inputs)["sequence_output"])
  model.save(tmp_path / "model")
  loaded = tf_keras.models.load_model(tmp_path / "model")
  assert_same([loaded(_batch())], [model(_batch())], 1e-6)


def test_interface_of_bert_encoder_v2():
  encoder = _encoder(return_attention_scores=True, return_word_embeddings=True)
  outputs = encoder(_batch())
  assert len(outputs["attention_scores"]) == L
  assert outputs["word_embeddings"].shape == [B, S, D]
  assert encoder.get_embedding_table().shape == [V, D]
  assert encoder.pooler_layer.units == D
  assert len(encoder.transformer_layers) == L


def test_embedding_projection_and_dense_inputs():
  encoder = _encoder(
    embedding_width=4, with_dense_inputs=True, max_sequence_length=S + 2
  )
  dense = {
    "dense_inputs": tf.ones([B, 2, 4]),
    "dense_mask": tf.ones([B, 2], tf.int32),
    "dense_type_ids": tf.zeros([B, 2], tf.int32),
  }
  outputs = encoder(drops_testing.batch() | dense, training=True)
  assert outputs["sequence_output"].shape == [B, S + 2, D]
  kept = outputs["kept_positions"].numpy()
  assert kept.shape == (B, (S + 2) // 2)
  assert (kept[:, -2:] == [S, S + 1]).all()  # they have no loss: always kept
  inputs = drops_testing.batch() | dense
  ids = inputs.pop("input_word_ids")
  embedded = {"input_word_embeddings": encoder.get_embedding_layer()(ids)}
  np.testing.assert_array_equal(
    encoder(inputs | embedded)["sequence_output"],
    encoder(inputs | {"input_word_ids": ids})["sequence_output"],
  )


def test_inputs_must_be_a_dictionary():
  with pytest.raises(ValueError, match="must be a dictionary .*list"):
    _encoder().call([tf.ones([B, S])])


def test_sequence_shorter_than_the_count_is_refused():
  encoder = _encoder(token_keep_k=S + 1)
  with pytest.raises(ValueError, match="token_keep_k must be at most"):
    encoder(drops_testing.batch(), training=True)


def test_dynamic_length_is_refused_where_tokens_are_dropped():
  encoder = _encoder()
  any_length = tf.TensorSpec([None, None], tf.int32)
  spec = dict.fromkeys(drops_testing.batch(), any_length)
  with pytest.raises(ValueError, match="sequence length must be static"):
    tf.function(
      lambda batch: encoder(batch, training=True)["pooled_output"]
    ).get_concrete_function(spec)


def test_model_garden_calls_an_encoder_that_always_drops():
  """Its pretrainer makes the weights on symbolic inputs."""
  encoder = encoder_lib.TokenDropEncoder(
    drop_at_inference=True, **(drops_testing.SIZES | drops_testing.SPECIAL)
  )
  model = pretrainer.TokenDropPretrainer(encoder)
  outputs = model(model.inputs)
  assert outputs["computed_share"].shape[1] == S
