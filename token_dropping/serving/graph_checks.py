# SPDX-License-Identifier: Apache-2.0
"""Checks inside a graph: a server answers with the rule and the value."""

import tensorflow as tf


def guarded(inputs: dict, checks: list[tf.Operation]) -> dict:
  """Returns the tensors, to be had only after the checks."""
  with tf.control_dependencies(checks):
    return {name: tf.identity(value) for name, value in inputs.items()}


def require(holds: tf.Tensor, rule: str, *received) -> tf.Operation:
  """Returns an operation that fails unless the rule holds.

  `tf.debugging.assert_*` would hide it in a branch, which other runtimes find
  harder to skip.
  """
  return tf.raw_ops.Assert(
    condition=holds, data=[f"{rule} Received:", *received]
  )
