# SPDX-License-Identifier: Apache-2.0
"""Tests of the rules on batches."""

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from token_dropping.data.batches import value_checks

V = testing.VOCAB_SIZE


def _batches(name: str, value: int) -> tf.data.Dataset:
  """Returns two good batches and one with `value` among the ids."""
  good = {
    "input_word_ids": np.full([3, 2, 4], 7, np.int32),
    "masked_lm_ids": np.full([3, 2, 2], 8, np.int32),
    "masked_lm_positions": np.ones([3, 2, 2], np.int32),
    "masked_lm_weights": np.ones([3, 2, 2], np.float32),
  }
  good[name][2, 1, 0] = value
  return tf.data.Dataset.from_tensor_slices(good)


def test_good_batches_pass_unchanged():
  plain = _batches("input_word_ids", 0)
  checked = value_checks.with_checked_values(plain, V)
  assert checked.element_spec == plain.element_spec
  for one, two in zip(plain, checked, strict=True):
    for name in one:
      np.testing.assert_array_equal(one[name], two[name])


BAD_VALUES = {
  (name, value): f"{name} must be in [0, vocab_size) (50). Received: {value}"
  for name in ("input_word_ids", "masked_lm_ids")
  for value in (V, V + 100, -1)
} | {
  ("masked_lm_positions", value): (
    f"masked_lm_positions must be in [0, seq_length) (4). Received: {value}"
  )
  for value in (4, -1)
}


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_bad_value_stops_the_input_where_it_is(name, value):
  batches = iter(value_checks.with_checked_values(_batches(name, value), V))
  next(batches)
  next(batches)
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    next(batches)
  rule = value_checks.broken_rule(caught.value)
  assert rule == BAD_VALUES[name, value]


@pytest.mark.parametrize("value", [-1.0, float("nan"), 0.0])
def test_bad_weight_stops_the_input(value):
  batch = next(iter(_batches("masked_lm_ids", 0)))
  weights = np.array([[1, 1], [value, 0]], np.float32)
  dataset = tf.data.Dataset.from_tensors(batch | {"masked_lm_weights": weights})
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    next(iter(value_checks.with_checked_values(dataset, V)))
  assert value_checks.broken_rule(caught.value).startswith(
    "masked_lm_weights must be at least 0, and one of a record above. Received:"
  )


def test_other_errors_break_no_rule():
  error = tf.errors.InvalidArgumentError(None, None, "shapes must be equal")
  assert value_checks.broken_rule(error) is None


def test_only_a_skipped_record_may_predict_nothing():
  batch = next(iter(_batches("masked_lm_ids", 0)))
  batch["masked_lm_weights"] = np.array([[1, 0], [0, 0]], np.float32)
  skipped = {value_checks.SKIPPED: np.array([0, 1], np.float32)}
  checked = value_checks.checked_values(batch | skipped, V)
  assert set(checked) == {*batch, "skipped_records"}
  other = {value_checks.SKIPPED: np.array([1, 0], np.float32)}
  with pytest.raises(tf.errors.InvalidArgumentError, match="masked_lm_weights"):
    value_checks.checked_values(batch | other, V)
