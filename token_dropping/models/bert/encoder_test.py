# SPDX-License-Identifier: Apache-2.0
"""Tests of the encoder, most of them equalities with `BertEncoderV2`."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.nlp.configs import encoders

from tests import drops_testing
from token_dropping.dropping import tokens
from token_dropping.models import pretrainer
from token_dropping.models.bert import encoder as encoder_lib

B, S, D, V = drops_testing.B, drops_testing.S, drops_testing.D, drops_testing.V
L = drops_testing.L
assert_same, batch = drops_testing.assert_same, drops_testing.batch
bert, make_encoder = drops_testing.bert, drops_testing.make_encoder
loss_and_gradients = drops_testing.loss_and_gradients
# Encoders that no test changes.
_encoder = functools.cache(make_encoder)


def _batch() -> dict:
  return batch(pretraining=False)


def _at(states: tf.Tensor, positions) -> tf.Tensor:
  """Returns the states at some positions, [B, S, ...] -> [B, K, ...]."""
  return tf.gather(states, positions, batch_dims=1)


def _put(states: tf.Tensor, updates: tf.Tensor, positions) -> tf.Tensor:
  """Returns [B, S, D] states, those at some positions [B, K] updated."""
  found = states.numpy()
  for sequence, places in enumerate(positions.numpy()):
    found[sequence, places] = updates[sequence]
  return tf.constant(found)


def test_keeping_all_is_bert_with_norms_first():
  """`drop_types_test` has the norms of BERT, last."""
  encoder = _encoder(norm_first=True, final_norm=False, token_keep_ratio=1.0)
  assert_same(
    loss_and_gradients(encoder, batch()),
    loss_and_gradients(bert(norm_first=True), _batch()),
  )


@pytest.mark.parametrize("training", [False, True])
def test_all_but_pretraining_is_bert(training):
  """Evaluation with, and fine-tuning without masked positions."""
  inputs = batch(pretraining=not training)
  ours, theirs = _encoder()(inputs, training=training), bert()(_batch())
  assert ours.keys() == theirs.keys()
  assert_same(tf.nest.flatten(ours), tf.nest.flatten(theirs), 1e-6)


def test_unread_positions_hold_the_state_before_the_last_layer():
  outputs = _encoder()(batch(), training=True)
  before, after = outputs["encoder_outputs"][-2:]
  for row, read in enumerate([{0, 2, 7}, {0, 5, 11}]):
    same = [np.array_equal(before[row, i], after[row, i]) for i in range(S)]
    assert [i for i in range(S) if not same[i]] == sorted(read)


def test_stages_equal_a_hand_written_pass():
  stages = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.5}]
  encoder, inputs = make_encoder(stages=stages, restore_layer=3), _batch()
  ids, layers = inputs["input_word_ids"], encoder.transformer_layers
  losses = tf.random.stateless_uniform([B, S], [0, 2], 1.0, 9.0)
  encoder.importance_scorer.update(ids, losses, inputs["input_mask"])
  outputs = encoder(batch(), training=True)

  mask = tf.cast(inputs["input_mask"], tf.float32)
  scores = encoder.importance_scorer(ids)
  nine, six = (tokens.select(scores, keep, mask) for keep in (9, 6))
  places = tf.searchsorted(nine, six)  # where the six are among the nine
  start = encoder._embed(inputs).states
  one = layers[0]([_at(start, nine), start, mask[:, tf.newaxis]])
  two = layers[1]([_at(one, places), one, _at(mask, nine)[:, tf.newaxis]])
  three = layers[2]([two, _at(mask, six)[:, tf.newaxis]])
  assert_same([outputs["kept_positions"]], [six], 0)
  # The others have the state that they left with.
  waiting = _put(start, one, nine)
  expected = [_put(waiting, states, six) for states in (two, three)]
  assert_same(outputs["encoder_outputs"][1:3], expected)


def test_important_tokens_are_kept_and_padding_is_not():
  encoder = make_encoder(token_keep_k=3)
  ids = tf.constant([[2, 9, 8, 7, 3, 0, 0, 0]])
  encoder.importance_scorer.update([[7, 8, 9]], [[9.0, 1.0, 5.0]], [[1.0] * 3])
  inputs = {
    "input_word_ids": ids,
    "input_mask": tf.constant([[1, 1, 1, 1, 1, 0, 0, 0]]),
    "input_type_ids": 0 * ids,
    "masked_lm_positions": tf.constant([[1]]),
  }
  outputs = encoder(inputs, training=True)
  # [CLS] 2 and [SEP] 3 are pinned; 7 lost most.
  assert outputs["kept_positions"].numpy().tolist() == [[0, 3, 4]]


def test_drop_in_training_drops_there_and_only_there():
  """The same numbers as dropping everywhere, the same names as BERT."""
  encoder = _encoder(drop_in_training=True)
  dropped = _encoder(drop_at_inference=True)(_batch(), training=False)
  assert dropped["kept_positions"].shape == [B, S // 2]
  ours = encoder(_batch(), training=True)
  added = {"kept_positions", "computed_share", "token_scores"}
  assert dropped.keys() - ours.keys() == added
  assert_same([ours["sequence_output"]], [dropped["sequence_output"]], 1e-6)
  whole = encoder(_batch(), training=False)["sequence_output"]
  assert not np.allclose(ours["sequence_output"], whole, atol=1e-3)


def test_another_plan_for_a_call():
  half, quarter = (_encoder(token_keep_ratio=keep) for keep in (0.5, 0.25))
  plan = half.drop_plan.with_ratios([0.25])
  found = half(batch(), training=True, plan=plan)
  wanted = quarter(batch(), training=True)
  for name in ("pooled_output", "computed_share"):
    assert_same([found[name]], [wanted[name]], 1e-6)


def test_checkpoint_restores_into_bert_v2_and_back(tmp_path):
  encoder, theirs = make_encoder(), bert(initializer="zeros")
  path = tf.train.Checkpoint(encoder=theirs).save(tmp_path / "theirs")
  tf.train.Checkpoint(encoder=encoder).restore(path).assert_consumed()
  assert_same(encoder.get_weights(), theirs.get_weights(), 0)

  path = tf.train.Checkpoint(encoder=_encoder()).save(tmp_path / "ours")
  tf.train.Checkpoint(encoder=theirs).restore(path).assert_consumed()
  assert_same(theirs.get_weights(), _encoder().get_weights(), 0)


def test_checkpoint_restores_into_model_gardens_first_encoder(tmp_path):
  sizes = {
    "vocab_size": V,
    "hidden_size": D,
    "num_layers": L,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": S,
    "type_vocab_size": 2,
  }
  config = encoders.EncoderConfig({"type": "bert", "bert": sizes})
  theirs = encoders.build_encoder(config)
  path = tf.train.Checkpoint(encoder=_encoder()).save(tmp_path / "ours")
  status = tf.train.Checkpoint(encoder=theirs).restore(path)
  status.assert_existing_objects_matched()
  assert_same(
    [theirs(_batch(), training=False)["sequence_output"]],
    [_encoder()(_batch(), training=False)["sequence_output"]],
  )


def test_keras_saved_model_round_trip(tmp_path):
  inputs = {
    name: tf_keras.Input([S], dtype=tf.int32, name=name) for name in _batch()
  }
  encoder = _encoder(num_layers=1, token_keep_ratio=1.0)
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
  inputs = batch() | {
    "dense_inputs": tf.ones([B, 2, 4]),
    "dense_mask": tf.ones([B, 2], tf.int32),
    "dense_type_ids": tf.zeros([B, 2], tf.int32),
  }
  outputs = encoder(inputs, training=True)
  assert outputs["sequence_output"].shape == [B, S + 2, D]
  kept = outputs["kept_positions"].numpy()
  assert kept.shape == (B, (S + 2) // 2)
  assert (kept[:, -2:] == [S, S + 1]).all()  # they have no loss: always kept
  wanted = encoder(inputs)["sequence_output"]
  words = encoder.get_embedding_layer()(inputs.pop("input_word_ids"))
  found = encoder(inputs | {"input_word_embeddings": words})
  np.testing.assert_array_equal(found["sequence_output"], wanted)


def test_what_cannot_be_encoded_is_refused():
  with pytest.raises(ValueError, match="must be a dictionary .*list"):
    _encoder().call([tf.ones([B, S])])
  with pytest.raises(ValueError, match="token_keep_k must be at most"):
    _encoder(token_keep_k=S + 1)(batch(), training=True)
  any_length = tf.TensorSpec([None, None], tf.int32)
  with pytest.raises(ValueError, match="sequence length must be static"):
    tf.function(
      lambda inputs: _encoder()(inputs, training=True)["pooled_output"]
    ).get_concrete_function(dict.fromkeys(batch(), any_length))


def test_model_garden_calls_an_encoder_that_always_drops():
  """Its pretrainer makes the weights on symbolic inputs."""
  sizes = drops_testing.SIZES | drops_testing.SPECIAL | {"num_layers": 2}
  encoder = encoder_lib.TokenDropEncoder(drop_at_inference=True, **sizes)
  model = pretrainer.TokenDropPretrainer(encoder)
  outputs = model(model.inputs)
  assert outputs["computed_share"].shape[1] == S
