# SPDX-License-Identifier: Apache-2.0
"""Tests of the encoder, most of them equalities with `BertEncoderV2`."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.nlp.configs import encoders
from official.nlp.modeling import networks

from tests import drops_testing
from token_dropping.dropping import tokens
from token_dropping.models import encoder as encoder_lib

B, S, P, D, V = 2, 12, 3, 8, 40
SIZES = {
  "vocab_size": V,
  "hidden_size": D,
  "num_layers": 4,
  "num_attention_heads": 2,
  "inner_dim": 16,
  "max_sequence_length": S,
  "type_vocab_size": 2,
  "output_dropout": 0.0,
  "attention_dropout": 0.0,
  # The default of 0.02 would leave attention nearly uniform.
  "initializer": tf_keras.initializers.TruncatedNormal(stddev=0.3, seed=1),
}
SPECIAL = {"token_allow_list": (1, 2, 3, 4), "token_deny_list": (0,)}
# From NumPy: TensorFlow's stateless generators differ under XLA.
COEFFICIENTS = np.random.default_rng(3).normal(size=[B, P, D]).astype("float32")


def _batch(padding: int = 3) -> dict:
  ids = tf.random.stateless_uniform([B, S], [0, 1], 5, V, tf.int32)
  mask = tf.sequence_mask([S - padding, S], S, tf.int32)
  return {
    "input_word_ids": ids * mask,
    "input_mask": mask,
    "input_type_ids": tf.constant([[0] * 6 + [1] * 6] * B),
  }


def _pretraining_batch(**kwargs) -> dict:
  # Unsorted, and with the repeated zeros of unused slots.
  positions = tf.constant([[7, 2, 0], [5, 5, 11]])
  return _batch(**kwargs) | {"masked_lm_positions": positions}


def _encoder(**kwargs) -> encoder_lib.TokenDropEncoder:
  encoder = encoder_lib.TokenDropEncoder(**(SIZES | SPECIAL | kwargs))
  encoder(_batch())
  return encoder


def _bert(**kwargs) -> networks.BertEncoderV2:
  bert = networks.BertEncoderV2(**(SIZES | kwargs))
  bert(_batch())
  return bert


def _pair(**kwargs):
  """Returns a token-dropping encoder and a BERT with the same weights."""
  shared = {key: kwargs[key] for key in kwargs if key in ("norm_first",)}
  encoder, bert = _encoder(**kwargs), _bert(**shared)
  encoder.set_weights(bert.get_weights())
  return encoder, bert


def _loss_and_gradients(network, batch, **kwargs):
  """Reads the sequence where a pretraining loss does."""
  positions = tf.constant([[7, 2, 0], [5, 5, 11]])
  with tf.GradientTape() as tape:
    outputs = network(batch, training=True, **kwargs)
    read = tf.gather(outputs["sequence_output"], positions, batch_dims=1)
    loss = tf.reduce_sum(read * COEFFICIENTS)
    loss += tf.reduce_sum(outputs["pooled_output"] ** 2)
  gradients = tape.gradient(loss, network.trainable_variables)
  return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _assert_same(left, right, tolerance=1e-5):
  for a, b in zip(left, right, strict=True):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("norm_first", [False, True])
def test_keeping_all_is_bert(norm_first):
  encoder, bert = _pair(token_keep_ratio=1.0, norm_first=norm_first)
  ours, theirs = (n(_batch(), training=True) for n in (encoder, bert))
  assert ours.keys() == theirs.keys()
  _assert_same(tf.nest.flatten(ours), tf.nest.flatten(theirs), 1e-6)


@pytest.mark.parametrize("norm_first", [False, True])
def test_keeping_all_trains_as_bert(norm_first):
  encoder, bert = _pair(token_keep_ratio=1.0, norm_first=norm_first)
  ours = _loss_and_gradients(encoder, _pretraining_batch())
  theirs = _loss_and_gradients(bert, _batch())
  _assert_same([ours[0], *ours[1]], [theirs[0], *theirs[1]])


@pytest.mark.parametrize("training", [False, True])
def test_all_but_pretraining_is_bert(training):
  """Evaluation with, and fine-tuning without masked positions."""
  encoder, bert = _pair()
  batch = _batch() if training else _pretraining_batch()
  ours, theirs = encoder(batch, training=training), bert(_batch())
  assert ours.keys() == theirs.keys()
  _assert_same(tf.nest.flatten(ours), tf.nest.flatten(theirs), 1e-6)


def test_only_read_positions_of_the_last_layer_is_exact():
  """Drops in every call, so that only the last layer's queries differ."""
  encoder = _encoder(drop_at_inference=True)
  restricted = _loss_and_gradients(encoder, _pretraining_batch())
  full = _loss_and_gradients(encoder, _batch())
  _assert_same([restricted[0], *restricted[1]], [full[0], *full[1]])


def test_unread_positions_hold_the_state_before_the_last_layer():
  outputs = _encoder()(_pretraining_batch(), training=True)
  before, after = outputs["encoder_outputs"][-2:]
  for row, read in enumerate([{0, 2, 7}, {0, 5, 11}]):
    same = [np.array_equal(before[row, i], after[row, i]) for i in range(S)]
    assert [i for i in range(S) if not same[i]] == sorted(read)


def test_middle_layers_equal_a_hand_written_pass():
  encoder = _encoder(token_keep_k=5, drop_layer=1, restore_layer=3)
  batch = _batch()
  outputs = encoder(batch | {"masked_lm_positions": [[1]] * B}, training=True)
  kept = outputs["kept_positions"]
  layers = encoder.transformer_layers
  states = outputs["encoder_outputs"]

  keys = tf.cast(batch["input_mask"], tf.float32)
  mask = tf.repeat(keys[:, tf.newaxis], 5, axis=1)  # [B, K, S]
  queries = tf.gather(states[0], kept, batch_dims=1)
  one = layers[1]([queries, states[0], mask])
  kept_keys = tf.gather(keys, kept, batch_dims=1)
  mask = tf.repeat(kept_keys[:, tf.newaxis], 5, axis=1)  # [B, K, K]
  two = layers[2]([one, mask])

  _assert_same([tf.gather(states[1], kept, batch_dims=1)], [one], 1e-6)
  _assert_same([tf.gather(states[2], kept, batch_dims=1)], [two], 1e-6)
  dropped = [sorted(set(range(S)) - set(row)) for row in kept.numpy().tolist()]
  for layer in (1, 2):  # the others wait
    _assert_same(
      [tf.gather(states[layer], dropped, batch_dims=1)],
      [tf.gather(states[0], dropped, batch_dims=1)],
      0,
    )


def test_stages_equal_a_hand_written_pass():
  stages = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.5}]
  encoder = _encoder(stages=stages, restore_layer=2)
  batch = _batch()
  ids = batch["input_word_ids"]
  losses = tf.random.stateless_uniform([B, S], [0, 2], 1.0, 9.0)
  encoder.importance_scorer.update(ids, losses, batch["input_mask"])
  outputs = encoder(batch | {"masked_lm_positions": [[1]] * B}, training=True)

  selector, layers = tokens.select, encoder.transformer_layers
  mask = tf.cast(batch["input_mask"], tf.float32)
  scores = encoder.importance_scorer(ids)
  first = selector(scores, keep=9, mask=mask)  # [B, 9] of 12
  both = selector(scores, keep=6, mask=mask)  # [B, 6] of 12
  second = tf.constant(  # where the six are among the nine
    [
      [r.index(i) for i in b]
      for r, b in zip(
        first.numpy().tolist(), both.numpy().tolist(), strict=True
      )
    ]
  )
  start = encoder._embed(batch).states

  def gather(tensor, positions):
    return tf.gather(tensor, positions, batch_dims=1)

  one = layers[0]([gather(start, first), start, mask[:, tf.newaxis]])
  nine = gather(mask, first)[:, tf.newaxis]
  two = layers[1]([gather(one, second), one, nine])
  _assert_same([outputs["kept_positions"]], [both], 0)
  after = outputs["encoder_outputs"][1]
  _assert_same([gather(after, both)], [two])
  for row in range(B):  # the others have the state that they left with
    for slot, position in enumerate(first.numpy()[row]):
      if position not in both.numpy()[row]:
        _assert_same([after[row, position]], [one[row, slot]])
    left = sorted(set(range(S)) - set(first.numpy()[row].tolist()))
    _assert_same(
      [tf.gather(after[row], left)], [tf.gather(start[row], left)], 0
    )
  third = layers[2]([after, mask[:, tf.newaxis]])
  _assert_same([outputs["encoder_outputs"][2]], [third])


def test_stages_that_keep_all_are_bert():
  stages = [{"layer": 0, "keep_ratio": 1.0}, {"layer": 1, "keep_ratio": 1.0}]
  encoder, bert = _pair(stages=stages)
  ours = _loss_and_gradients(encoder, _pretraining_batch())
  theirs = _loss_and_gradients(bert, _batch())
  _assert_same([ours[0], *ours[1]], [theirs[0], *theirs[1]])


@pytest.mark.parametrize("kept", [0.5, 1.0])
def test_another_plan_for_a_call(kept):
  encoder, other = _encoder(), _encoder(token_keep_ratio=0.25, drop_layer=1)
  other.set_weights(encoder.get_weights())
  plan = other.drop_plan.with_ratios([kept])
  expected = _encoder(token_keep_ratio=kept, drop_layer=1)
  expected.set_weights(encoder.get_weights())
  found = _loss_and_gradients(other, _pretraining_batch(), plan=plan)
  wanted = _loss_and_gradients(expected, _pretraining_batch())
  _assert_same([found[0], *found[1]], [wanted[0], *wanted[1]], 1e-6)
  assert other.drop_plan.keep_counts(S) == (3,)


def test_batches_without_a_mask_have_no_padding():
  encoder = _encoder()
  batch = _pretraining_batch(padding=0)
  masked = _loss_and_gradients(encoder, batch)
  bare = {name: batch[name] for name in batch if name != "input_mask"}
  unmasked = _loss_and_gradients(encoder, bare)
  _assert_same([masked[0], *masked[1]], [unmasked[0], *unmasked[1]], 1e-6)


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


def test_drop_at_inference_drops_everywhere():
  encoder = _encoder(drop_at_inference=True)
  outputs = encoder(_batch(), training=False)
  assert outputs["kept_positions"].shape == [B, S // 2]


def test_drop_in_training_drops_there_and_only_there():
  """The same numbers as dropping everywhere, the same names as BERT."""
  encoder = _encoder(drop_in_training=True)
  everywhere = _encoder(drop_at_inference=True)
  everywhere.set_weights(encoder.get_weights())
  dropped = everywhere(_batch())
  ours = encoder(_batch(), training=True)
  added = {"kept_positions", "computed_share", "token_scores"}
  assert dropped.keys() - ours.keys() == added
  _assert_same([ours["sequence_output"]], [dropped["sequence_output"]], 1e-6)
  whole = encoder(_batch(), training=False)["sequence_output"]
  assert not np.allclose(ours["sequence_output"], whole, atol=1e-3)


@pytest.mark.parametrize("norm_first", [False, True])
def test_compiles_with_xla(norm_first):
  encoder = _encoder(norm_first=norm_first)
  batch = _pretraining_batch()
  compiled = tf.function(
    lambda: _loss_and_gradients(encoder, batch), jit_compile=True
  )
  loss, gradients = _loss_and_gradients(encoder, batch)
  compiled_loss, compiled_gradients = compiled()
  _assert_same([loss, *gradients], [compiled_loss, *compiled_gradients], 1e-4)


def test_graph_sorts_with_top_k_and_has_static_shapes():
  encoder = _encoder()
  step = tf.function(
    lambda: _loss_and_gradients(encoder, _pretraining_batch())
  ).get_concrete_function()
  kinds = {op.type for op in step.graph.get_operations()}
  assert "TopKV2" in kinds
  assert not kinds & {"Where", "Unique", "NonMaxSuppressionV3", "PyFunc"}


def test_checkpoint_restores_into_bert_v2_and_back(tmp_path):
  encoder, bert = _encoder(), _bert()
  path = tf.train.Checkpoint(encoder=encoder).save(tmp_path / "ours")
  tf.train.Checkpoint(encoder=bert).restore(path).assert_consumed()
  _assert_same(bert.get_weights(), encoder.get_weights(), 0)

  theirs = _bert(initializer="zeros")
  path = tf.train.Checkpoint(encoder=theirs).save(tmp_path / "theirs")
  tf.train.Checkpoint(encoder=encoder).restore(path).assert_consumed()
  _assert_same(encoder.get_weights(), theirs.get_weights(), 0)


@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
def test_checkpoint_restores_into_model_gardens_encoders(kind, tmp_path):
  encoder = _encoder()
  sizes = {
    "vocab_size": V,
    "hidden_size": D,
    "num_layers": 4,
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
  _assert_same(
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
  _assert_same([loaded(_batch())], [model(_batch())], 1e-6)


def test_interface_of_bert_encoder_v2():
  encoder = _encoder(return_attention_scores=True, return_word_embeddings=True)
  outputs = encoder(_batch())
  assert len(outputs["attention_scores"]) == 4
  assert outputs["word_embeddings"].shape == [B, S, D]
  assert encoder.get_embedding_table().shape == [V, D]
  assert encoder.pooler_layer.units == D
  assert len(encoder.transformer_layers) == 4


def test_config_round_trip():
  config = _encoder(token_keep_k=5, drop_layer=0).get_config()
  copy = encoder_lib.TokenDropEncoder.from_config(config)
  assert copy.get_config() == config
  assert copy.drop_plan == drops_testing.make_plan(
    4, token_keep_k=5, drop_layer=0
  )


def test_embedding_projection_and_dense_inputs():
  encoder = _encoder(
    embedding_width=4, with_dense_inputs=True, max_sequence_length=S + 2
  )
  dense = {
    "dense_inputs": tf.ones([B, 2, 4]),
    "dense_mask": tf.ones([B, 2], tf.int32),
    "dense_type_ids": tf.zeros([B, 2], tf.int32),
  }
  outputs = encoder(_pretraining_batch() | dense, training=True)
  assert outputs["sequence_output"].shape == [B, S + 2, D]
  kept = outputs["kept_positions"].numpy()
  assert kept.shape == (B, (S + 2) // 2)
  assert (kept[:, -2:] == [S, S + 1]).all()  # they have no loss: always kept


def test_inputs_must_be_a_dictionary():
  with pytest.raises(ValueError, match="must be a dictionary .*list"):
    _encoder().call([tf.ones([B, S])])


def test_sequence_shorter_than_the_count_is_refused():
  encoder = _encoder(token_keep_k=S + 1)
  with pytest.raises(ValueError, match="token_keep_k must be at most"):
    encoder(_pretraining_batch(), training=True)


def test_dynamic_length_is_refused_where_tokens_are_dropped():
  encoder = _encoder()
  spec = {
    name: tf.TensorSpec([None, None], tf.int32) for name in _pretraining_batch()
  }
  with pytest.raises(ValueError, match="sequence length must be static"):
    tf.function(
      lambda batch: encoder(batch, training=True)["pooled_output"]
    ).get_concrete_function(spec)
