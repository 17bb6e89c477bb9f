# SPDX-License-Identifier: Apache-2.0
"""Tests of the terms of semantic consistency: by hand; every refusal."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests import drops_testing
from tests import testing
from token_dropping.dropping import keep_schedule
from token_dropping.dropping import step_schedule
from token_dropping.tasks.masked_lm import semantic_consistency

LABELS = {
  "masked_lm_ids": tf.constant([[0, 1], [1, 0]]),
  "masked_lm_weights": tf.constant([[1.0, 1.0], [1.0, 0.0]]),
  "input_mask": tf.constant([[1, 1], [1, 0]]),
}


def _log(*shares):
  return tf.math.log(tf.constant(shares))


def _outputs(before, last, logits=0.0) -> dict:
  """Returns what the model might: other positions than 0 hold rubbish."""
  states = [
    tf.stack([each, each + 7.0 * tf.constant([1.0, 2.0])], axis=1)
    for each in (before * 0.0 + 9.0, before, last)
  ]
  return {
    "encoder_outputs": states,
    "mlm_logits": tf.fill([2, 2, 2], 0.0) + logits,
  }


# Two records, two hidden units.
DROPPED = _outputs(_log([0.5, 0.5], [0.5, 0.5]), _log([0.5, 0.5], [0.25, 0.75]))
FULL = _outputs(
  _log([0.25, 0.75], [0.5, 0.5]),
  _log([0.5, 0.5], [0.25, 0.75]),
  _log(0.25, 0.75),
)
KL = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)  # (1/4, 3/4) from (1/2, 1/2)
# The ids are 0 and 1 of the first record, 1 of the second.
FULL_LOSS = -(math.log(0.25) + 2 * math.log(0.75)) / 3


def test_terms_by_hand():
  found = semantic_consistency.terms(LABELS, DROPPED, FULL, detach=False)
  assert list(found) == list(semantic_consistency.METRICS)
  expected = [FULL_LOSS, KL / 2, 0.0]
  np.testing.assert_allclose([*found.values()], expected, rtol=1e-5, atol=1e-7)


def test_records_of_padding_alone_do_not_count():
  labels = LABELS | {
    "masked_lm_weights": tf.constant([[1.0, 1.0], [0.0, 0.0]]),
    "input_mask": tf.constant([[1, 1], [0, 0]]),
  }
  found = semantic_consistency.terms(labels, DROPPED, FULL, detach=False)
  np.testing.assert_allclose(found["kl_before_last"], KL, rtol=1e-5)


def test_total_by_hand():
  weights = {"dropped_weight": 0.5, "full_weight": 0.25}
  weights |= {"kl_before_last_weight": 0.125, "kl_last_weight": 2.0}
  config = semantic_consistency.SemanticConsistencyConfig(**weights)
  added = {"full_lm_example_loss": 8.0, "full_next_sentence_loss": 4.0}
  added |= {"kl_before_last": 16.0, "kl_last": 3.0}
  total = semantic_consistency.objective(config, tf.constant(6.0), added)
  assert float(total) == 3.0 + 2.0 + 1.0 + 2.0 + 6.0


@pytest.mark.parametrize("detach", [False, True])
def test_detached_states_of_the_full_pass_get_no_gradient(detach):
  dropped, full = tf.Variable([[0.0, 1.0]]), tf.Variable([[2.0, 0.5]])
  with tf.GradientTape() as tape:
    distance = semantic_consistency.divergence(dropped, full, detach)
  gradients = tape.gradient(distance, [dropped, full])
  shares = tf.nn.softmax([[0.0, 1.0], [2.0, 0.5]])
  # That of the target's cross-entropy: share minus target.
  np.testing.assert_allclose(gradients[0], shares[:1] - shares[1:], rtol=1e-5)
  assert (gradients[1] is None) == detach


def test_half_precision_states_are_compared_in_float32():
  states = tf.constant([[300.0, 0.0]], tf.float16)
  found = semantic_consistency.divergence(states, states + 1)
  assert found.dtype == tf.float32
  np.testing.assert_array_equal(found, [0.0])


PLAN = drops_testing.make_plan(12)
BERT = drops_testing.make_plan(12, token_keep_ratio=1.0)


@pytest.mark.parametrize(
  ("fields", "plan", "message"),
  [
    ({"interval": -1}, PLAN, "interval must be at least 0. Received: -1"),
    ({"kl_last_weight": -0.5}, PLAN, "kl_last_weight must be at least 0. Rec"),
    ({"full_weight": math.nan}, PLAN, "full_weight must be at least 0. Rec"),
    ({"interval": 10}, BERT, "interval must be 0 unless the encoder drops to"),
    (
      {"interval": 8},
      PLAN,
      "interval must not be a multiple of task.keep_schedule.full_interval "
      "(4): those steps drop nothing. Received: 8",
    ),
  ],
)
def test_wrong_values_are_refused(fields, plan, message):
  config = semantic_consistency.SemanticConsistencyConfig(**fields)
  phases = (keep_schedule.Phase(0, plan),)
  schedule = step_schedule.StepSchedule(phases, 4, config.interval)
  refusal = testing.refused(semantic_consistency.check_use, config, schedule)
  assert refusal.startswith(message)
