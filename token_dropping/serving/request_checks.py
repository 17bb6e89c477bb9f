# SPDX-License-Identifier: Apache-2.0
"""Rules for requests, checked inside the graph.

A server then answers with the rule and the value instead of an error from deep
inside the network, or, on a GPU, a wrong answer.
"""

import tensorflow as tf


def check_tokens(
  inputs: dict[str, tf.Tensor],
  vocab_size: int,
  type_vocab_size: int,
  max_length: int,
) -> dict[str, tf.Tensor]:
  """Returns int32 inputs [B, S], or [B, P], that are checked when read."""
  inputs = {
    # Signatures say so too, but not every server looks.
    name: tf.ensure_shape(value, [None, None], name=name)
    for name, value in inputs.items()
  }
  ids = inputs["input_word_ids"]
  length = tf.shape(ids)[1]
  checks = [
    require(
      tf.logical_and(length >= 1, length <= max_length),
      f"the sequence length must be in [1, {max_length}].",
      [length],
    )
  ]
  for name, value in inputs.items():
    shape, like = tf.shape(value), tf.shape(ids)
    if name == "masked_lm_positions":  # any number of them
      shape, like = shape[:1], like[:1]
    checks.append(
      require(
        tf.reduce_all(shape == like),
        f"{name} must have the shape of input_word_ids.",
        [shape],
      )
    )
  for name, limit, text in (
    ("input_word_ids", vocab_size, vocab_size),
    ("input_mask", 2, 2),
    ("input_type_ids", type_vocab_size, type_vocab_size),
    ("masked_lm_positions", length, "sequence length"),
  ):
    if name in inputs:
      checks.append(_check_range(name, inputs[name], limit, text))
  return guarded(inputs, checks)


def guarded(
  inputs: dict[str, tf.Tensor], checks: list[tf.Operation]
) -> dict[str, tf.Tensor]:
  """Returns the tensors, to be had only after the checks."""
  with tf.control_dependencies(checks):
    return {name: tf.identity(value) for name, value in inputs.items()}


def require(rule: tf.Tensor, message: str, received: list) -> tf.Operation:
  """Returns an operation that fails with `message` unless `rule` holds.

  `tf.debugging.assert_*` would hide it in a branch, which other runtimes find
  harder to skip.
  """
  return tf.raw_ops.Assert(
    condition=rule, data=[f"{message} Received:", *received]
  )


def _check_range(name: str, value: tf.Tensor, limit, text) -> tf.Operation:
  rule = tf.reduce_all(tf.logical_and(value >= 0, value < limit))
  least, most = tf.reduce_min(value), tf.reduce_max(value)
  message = f"{name} must be in [0, {text})."
  return require(rule, message, ["least", least, "most", most])
