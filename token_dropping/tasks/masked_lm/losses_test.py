# SPDX-License-Identifier: Apache-2.0
"""Tests of the losses of pretraining, by hand."""

import numpy as np
import tensorflow as tf

from token_dropping.tasks.masked_lm import losses as mlm_losses

LABELS = {
  "input_mask": tf.ones([2, 4], tf.int32),
  "masked_lm_weights": tf.constant([[1.0, 0.0], [1.0, 1.0]]),
  "next_sentence_labels": tf.constant([[0], [1]]),
}
TOKEN_LOSSES = tf.constant([[3.0, 99.0], [1.0, 2.0]])


def test_losses_are_means_over_labels():
  outputs = {"next_sentence": tf.zeros([2, 2])}
  parts = mlm_losses.mean_losses(LABELS, outputs, TOKEN_LOSSES)
  np.testing.assert_allclose(parts["lm_example_loss"], 2.0)
  np.testing.assert_allclose(parts["next_sentence_loss"], np.log(2), rtol=1e-6)


def test_a_record_without_tokens_has_no_sentence():
  labels = LABELS | {"input_mask": tf.constant([[1, 0, 0, 0], [0, 0, 0, 0]])}
  outputs = {"next_sentence": tf.constant([[0.0, 0.0], [9.0, 0.0]])}
  counts = mlm_losses.loss_counts(labels)
  assert float(counts["next_sentence_loss"]) == 1
  parts = mlm_losses.mean_losses(labels, outputs, TOKEN_LOSSES)
  np.testing.assert_allclose(parts["next_sentence_loss"], np.log(2), rtol=1e-6)
