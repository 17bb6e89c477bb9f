# SPDX-License-Identifier: Apache-2.0
"""Tests of what keeps XLA from computing once what is the same."""

import tensorflow as tf

from token_dropping.models import barrier


def test_compiled_it_is_a_barrier_and_else_nothing():
  def double(value):
    return 2.0 * barrier.apart(value)

  value = tf.constant([1.0, 2.0])
  assert barrier.apart(value) is value
  compiled = tf.function(double, jit_compile=True)
  program = compiled.experimental_get_compiler_ir(value)(stage="hlo")
  assert program.count(" opt-barrier(") == 1
  for function in (compiled, tf.function(double)):
    assert function(value).numpy().tolist() == [2.0, 4.0]
