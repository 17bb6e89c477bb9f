# SPDX-License-Identifier: Apache-2.0
"""Keeps apart what XLA would compute once and keep."""

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.ops import control_flow_util


def apart(value: tf.Tensor) -> tf.Tensor:
  """Returns `value`, of which XLA does not know that it is the same.

  Where nothing is compiled by XLA, it is `value` itself.
  """
  graph = tf.compat.v1.get_default_graph()
  if not control_flow_util.GraphOrParentsInXlaContext(graph):
    return value
  (same,) = xla.optimization_barrier(value)
  return same
