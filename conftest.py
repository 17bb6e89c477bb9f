# SPDX-License-Identifier: Apache-2.0
"""Test set-up: several logical CPU devices, made before TensorFlow starts."""

import os

# Tests compile more than they compute: XLA makes its machine code as it comes.
# What it fuses, counts and rounds is decided before.
os.environ["XLA_FLAGS"] = " ".join(
  [os.environ.get("XLA_FLAGS", ""), "--xla_backend_optimization_level=0"]
)

import pytest
import tensorflow as tf
import tf_keras
from tensorflow.python.autograph.core import config as autograph

REPLICAS = 4

# Seconds a run: what a step calls branches by `tf.cond` and the like, never by
# `if`. The loop of steps is converted nevertheless: it is a `tf.function`.
autograph.CONVERSION_RULES = (
  autograph.DoNotConvert("official"),
  autograph.DoNotConvert("token_dropping"),
  *autograph.CONVERSION_RULES,
)

# On a GPU as on a CPU: TF32 has 10 bits of a float32's 23, tests compare more.
tf.config.experimental.enable_tensor_float_32_execution(False)

tf.config.set_logical_device_configuration(
  tf.config.list_physical_devices("CPU")[0],
  [tf.config.LogicalDeviceConfiguration() for _ in range(REPLICAS)],
)


_apply_debug_options = tf.data.Dataset._apply_debug_options


def _without_autotuning(dataset):
  """Called by TensorFlow of every dataset before its iterator is made.

  The thread that tunes an iterator can miss that it is to end and sleep on,
  for up to a minute. Whoever deletes the iterator waits for it: here the
  garbage collector, in whichever test it runs.
  """
  options = tf.data.Options()
  options.autotune.enabled = False
  return _apply_debug_options(dataset).with_options(options)


tf.data.Dataset._apply_debug_options = _without_autotuning


@pytest.fixture(scope="module", autouse=True)
def _no_settings_of_others():
  """Takes back what a run in an earlier file has set for its whole process."""
  tf_keras.mixed_precision.set_global_policy("float32")
  tf.config.optimizer.set_jit(False)
