# SPDX-License-Identifier: Apache-2.0
"""What holds for every drop type in BERT; `stack_test` has passes by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import drops_testing
from token_dropping.dropping.drops import drop_types

B, S, L = drops_testing.B, drops_testing.S, drops_testing.L
assert_same, batch = drops_testing.assert_same, drops_testing.batch
loss_and_gradients = drops_testing.loss_and_gradients
every_type = pytest.mark.parametrize("drop_type", drop_types.TYPES)


@pytest.fixture(scope="module")
def of_bert():
  """Loss and gradients of an ordinary BERT with the encoders' weights."""
  return loss_and_gradients(drops_testing.bert(), batch(pretraining=False))


@every_type
def test_keeping_all_trains_as_bert(drop_type, of_bert):
  encoder = drops_testing.encoder(drop_type, token_keep_ratio=1.0)
  assert_same(loss_and_gradients(encoder, batch()), of_bert)


@every_type
def test_only_read_positions_of_the_last_layer_is_exact(drop_type):
  """Drops in every call, so that only the last layer's queries differ."""
  encoder = drops_testing.encoder(drop_type, drop_at_inference=True)
  restricted = loss_and_gradients(encoder, batch())
  assert_same(restricted, loss_and_gradients(encoder, batch(pretraining=False)))


@every_type
def test_padding_changes_nothing(drop_type):
  encoder = drops_testing.encoder(drop_type, drop_at_inference=True)
  inputs = batch(padding=5, pretraining=False)
  padding = 1 - inputs["input_mask"]
  others = inputs | {
    "input_word_ids": inputs["input_word_ids"] + 20 * padding,
    "input_type_ids": (inputs["input_type_ids"] + padding) % 2,
  }
  found, wanted = (
    encoder(each)["encoder_outputs"] for each in (others, inputs)
  )
  real = tf.cast(inputs["input_mask"], tf.bool)
  assert_same([a[real] for a in found], [b[real] for b in wanted], 1e-6)
  assert not np.allclose(found[0], wanted[0])


@every_type
def test_one_document_is_as_none_and_no_padding_as_no_mask(drop_type):
  encoder, inputs = drops_testing.encoder(drop_type), batch(padding=0)
  wanted = loss_and_gradients(encoder, inputs)
  one = inputs | {"document_ids": tf.fill([B, S], 7)}
  assert_same(loss_and_gradients(encoder, one), wanted, 0)
  del inputs["input_mask"]
  assert_same(loss_and_gradients(encoder, inputs), wanted, 1e-6)


@every_type
def test_all_that_was_computed_gets_a_gradient(drop_type):
  """From the loss to the states of every token that enters the first layer."""
  encoder = drops_testing.encoder(drop_type)
  with tf.GradientTape() as tape:
    outputs = encoder(batch(padding=0), training=True)
    loss = tf.reduce_sum(outputs["pooled_output"] ** 2)
  gradient = tape.gradient(loss, outputs["encoder_outputs"][0])
  assert (np.abs(gradient).max(axis=-1) > 1e-6).all()


@every_type
def test_mixed_precision(drop_type):
  """The embeddings, which enter the dropping layer, are of the short type."""
  tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
  try:
    encoder = drops_testing.encoder(drop_type, drop_layer=0)
    outputs = encoder(batch(), training=True)
  finally:
    tf_keras.mixed_precision.set_global_policy("float32")
  assert np.isfinite(tf.cast(outputs["sequence_output"], tf.float32)).all()
  assert outputs["computed_share"].dtype == tf.float32


@every_type
def test_documents_do_not_see_one_another(drop_type):
  encoder = drops_testing.encoder(drop_type, drop_at_inference=True)
  first = 5  # tokens of the first document; groups of `pool` end there
  documents = tf.constant([[0] * first + [1] * (S - first)] * B)
  inputs = batch(padding=0, pretraining=False) | {"document_ids": documents}
  types = (inputs["input_type_ids"] + documents) % 2
  found, wanted = (
    encoder(each)["sequence_output"].numpy()
    for each in (inputs | {"input_type_ids": types}, inputs)
  )
  np.testing.assert_array_equal(found[:, :first], wanted[:, :first])
  assert (np.abs(found - wanted)[:, first:].max(axis=-1) > 1e-4).all()
