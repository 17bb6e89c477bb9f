# SPDX-License-Identifier: Apache-2.0
"""What holds for every drop type."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import drops_testing
from token_dropping.dropping.drops import drop_types

B, S, D, L = drops_testing.B, drops_testing.S, drops_testing.D, drops_testing.L
every_type = pytest.mark.parametrize("drop_type", drop_types.TYPES)


@every_type
def test_keeping_all_trains_as_bert(drop_type):
  encoder = drops_testing.make_encoder(drop_type, token_keep_ratio=1.0)
  bert = drops_testing.make_bert()
  bert.set_weights(encoder.get_weights())
  ours = drops_testing.loss_and_gradients(encoder, drops_testing.batch())
  inputs = drops_testing.batch(pretraining=False)
  drops_testing.assert_same(
    ours, drops_testing.loss_and_gradients(bert, inputs)
  )


@every_type
def test_dropping_is_not_bert(drop_type):
  encoder = drops_testing.make_encoder(drop_type)
  outputs = encoder(drops_testing.batch(), training=True)
  whole = encoder(drops_testing.batch(), training=False)
  difference = outputs["pooled_output"] - whole["pooled_output"]
  assert np.abs(difference).max() > 1e-3
  assert [s.shape for s in outputs["encoder_outputs"]] == [[B, S, D]] * L


@every_type
def test_only_read_positions_of_the_last_layer_is_exact(drop_type):
  """Drops in every call, so that only the last layer's queries differ."""
  encoder = drops_testing.make_encoder(
    drop_type, drop_at_inference=True, restore_layer=L - 1
  )
  restricted = drops_testing.loss_and_gradients(encoder, drops_testing.batch())
  inputs = drops_testing.batch(pretraining=False)
  drops_testing.assert_same(
    restricted, drops_testing.loss_and_gradients(encoder, inputs)
  )


@every_type
def test_padding_changes_nothing(drop_type):
  encoder = drops_testing.make_encoder(drop_type, drop_at_inference=True)
  inputs = drops_testing.batch(padding=5, pretraining=False)
  padding = 1 - inputs["input_mask"]
  others = dict(inputs)
  others["input_word_ids"] = inputs["input_word_ids"] + 20 * padding
  others["input_type_ids"] = (inputs["input_type_ids"] + padding) % 2
  found, wanted = encoder(others), encoder(inputs)
  real = tf.cast(inputs["input_mask"], tf.bool)
  for name in ("encoder_outputs", "sequence_output"):
    for a, b in zip(
      tf.nest.flatten(found[name]), tf.nest.flatten(wanted[name]), strict=True
    ):
      drops_testing.assert_same([a[real]], [b[real]], 1e-6)
  assert not np.allclose(
    found["encoder_outputs"][0], wanted["encoder_outputs"][0]
  )


@every_type
def test_batches_without_a_mask_have_no_padding(drop_type):
  encoder = drops_testing.make_encoder(drop_type)
  inputs = drops_testing.batch(padding=0)
  masked = drops_testing.loss_and_gradients(encoder, inputs)
  del inputs["input_mask"]
  drops_testing.assert_same(
    masked, drops_testing.loss_and_gradients(encoder, inputs), 1e-6
  )


@every_type
def test_all_that_was_computed_gets_a_gradient(drop_type):
  """From the loss to the states of every token that enters the first layer."""
  encoder = drops_testing.make_encoder(drop_type)
  with tf.GradientTape() as tape:
    outputs = encoder(drops_testing.batch(padding=0), training=True)
    loss = tf.reduce_sum(outputs["pooled_output"] ** 2)
  gradient = tape.gradient(loss, outputs["encoder_outputs"][0])
  assert (np.abs(gradient).max(axis=-1) > 1e-6).all()


@every_type
def test_two_stages(drop_type):
  """Fewer tokens are computed in the later one; all are there in the end."""
  stages = [{"layer": 0, "keep_ratio": 0.5}, {"layer": 2, "keep_ratio": 0.25}]
  encoder = drops_testing.make_encoder(
    drop_type, stages=stages, restore_layer=4
  )
  outputs = encoder(drops_testing.batch(padding=0), training=True)
  share = outputs["computed_share"].numpy()  # two layers with 6, two with 3
  expected = (6 + 6 + 3 + 3) / 4
  np.testing.assert_allclose(share.sum(axis=1), [expected] * B, rtol=1e-6)


@every_type
def test_another_plan_for_a_call(drop_type):
  encoder = drops_testing.make_encoder(drop_type, token_keep_ratio=0.5)
  fewer = drops_testing.make_encoder(drop_type, token_keep_ratio=0.25)
  fewer.set_weights(encoder.get_weights())
  plan = encoder.drop_plan.with_ratios([0.25])
  found = encoder(drops_testing.batch(), training=True, plan=plan)
  wanted = fewer(drops_testing.batch(), training=True)
  drops_testing.assert_same(
    [found["pooled_output"], found["computed_share"]],
    [wanted["pooled_output"], wanted["computed_share"]],
    1e-6,
  )


@every_type
def test_mixed_precision(drop_type):
  """The embeddings, which enter the dropping layer, are of the short type."""
  tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
  try:
    encoder = drops_testing.make_encoder(drop_type, drop_layer=0)
    outputs = encoder(drops_testing.batch(), training=True)
  finally:
    tf_keras.mixed_precision.set_global_policy("float32")
  assert np.isfinite(tf.cast(outputs["sequence_output"], tf.float32)).all()
  assert outputs["computed_share"].dtype == tf.float32


@every_type
def test_one_document_is_as_none_to_the_bit(drop_type):
  encoder, inputs = drops_testing.make_encoder(drop_type), drops_testing.batch()
  one = inputs | {"document_ids": tf.fill([B, S], 7)}
  for found, wanted in zip(
    drops_testing.loss_and_gradients(encoder, one),
    drops_testing.loss_and_gradients(encoder, inputs),
    strict=True,
  ):
    np.testing.assert_array_equal(found, wanted)


@every_type
def test_documents_do_not_see_one_another(drop_type):
  encoder = drops_testing.make_encoder(drop_type, drop_at_inference=True)
  first = 5  # tokens of the first document; groups of `pool` end there
  documents = tf.constant([[0] * first + [1] * (S - first)] * B)
  inputs = drops_testing.batch(padding=0, pretraining=False)
  inputs["document_ids"] = documents
  others = inputs | {
    "input_type_ids": (inputs["input_type_ids"] + documents) % 2
  }
  found, wanted = (
    encoder(each)["sequence_output"].numpy() for each in (others, inputs)
  )
  np.testing.assert_array_equal(found[:, :first], wanted[:, :first])
  assert (np.abs(found - wanted)[:, first:].max(axis=-1) > 1e-4).all()
