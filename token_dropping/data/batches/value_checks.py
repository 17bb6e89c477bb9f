# SPDX-License-Identifier: Apache-2.0
"""Rules on the values of batches, checked as they are read."""

import re

import tensorflow as tf

IDS = ("input_word_ids", "masked_lm_ids")
ID_RULE = " must be in [0, vocab_size)"
POSITION_RULE = " must be in [0, seq_length)"
WEIGHT_RULE = " must be at least 0, and one of a record above"
# Of a batch whose bad records are skipped: 1.0 for each of them, [B] float32.
SKIPPED = "skipped_records"


def with_checked_values(
  dataset: tf.data.Dataset, vocab_size: int, static: bool = True
) -> tf.data.Dataset:
  """Stops a run at the first batch with a value that breaks a rule.

  Args:
    dataset: batches, as dictionaries.
    vocab_size: int, V.
    static: see `checked_values`.

  Returns:
    The same batches.
  """
  return dataset.map(lambda batch: checked_values(batch, vocab_size, static))


def checked_values(
  batch: dict, vocab_size: int, static: bool = True
) -> dict[str, tf.Tensor]:
  """Makes values that break a rule an error of the input pipeline.

  Without it a lookup on an accelerator would clip a wrong id silently. See
  `broken_rule` for the error.

  Args:
    batch: features by name. The weights of records that `SKIPPED` marks may all
      be 0.
    vocab_size: int, V.
    static: whether positions and weights are those of records; of masks drawn
      here they need no check.

  Returns:
    The same batch.
  """
  rules = [_id_rule(batch, name, vocab_size) for name in IDS]
  if static:
    rules += [_position_rule(batch), _weight_rule(batch)]
  with tf.control_dependencies(rules):
    return {name: tf.identity(values) for name, values in batch.items()}


def _id_rule(batch: dict, name: str, vocab_size: int) -> tf.Operation:
  return _range_rule(batch[name], vocab_size, f"{name}{ID_RULE} ({vocab_size})")


def _position_rule(batch: dict) -> tf.Operation:
  length = batch["input_word_ids"].shape[1]
  rule = f"masked_lm_positions{POSITION_RULE} ({length})"
  return _range_rule(batch["masked_lm_positions"], length, rule)


def _weight_rule(batch: dict) -> tf.Operation:
  weights = batch["masked_lm_weights"]
  predicts = tf.reduce_max(weights, axis=1) > 0
  if SKIPPED in batch:
    predicts |= batch[SKIPPED] > 0
  fine = tf.reduce_all(weights >= 0) & tf.reduce_all(predicts)
  worst = tf.reduce_min(tf.reduce_sum(weights, axis=1))
  message = tf.strings.format(
    f"masked_lm_weights{WEIGHT_RULE}. Received: a record with sum {{}}", worst
  )
  return tf.debugging.Assert(fine, [message])


def _range_rule(values: tf.Tensor, end: int, rule: str) -> tf.Operation:
  outside = tf.logical_or(values < 0, values >= end)
  worst = tf.reduce_max(tf.where(outside, values, values.dtype.min))
  message = tf.strings.format(f"{rule}. Received: {{}}", worst)
  return tf.debugging.Assert(tf.logical_not(tf.reduce_any(outside)), [message])


def broken_rule(error: tf.errors.OpError) -> str | None:
  """Returns the complaint of `with_checked_values`, if an error is one."""
  rules = "|".join(map(re.escape, (ID_RULE, POSITION_RULE, WEIGHT_RULE)))
  found = re.search(rf"\w+({rules})[^\]\n]*", str(error))
  return found and found.group()
