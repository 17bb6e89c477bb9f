# SPDX-License-Identifier: Apache-2.0
"""Test set-up: several logical CPU devices, made before TensorFlow starts."""

import os

# Tests compile more than they compute: XLA makes its machine code as it comes.
# What it fuses, counts and rounds is decided before.
os.environ["XLA_FLAGS"] = " ".join(
  [os.environ.get("XLA_FLAGS", ""), "--xla_backend_optimization_level=0"]
)

import tensorflow as tf

REPLICAS = 4

# On a GPU as on a CPU: TF32 has 10 bits of a float32's 23, tests compare more.
tf.config.experimental.enable_tensor_float_32_execution(False)

tf.config.set_logical_device_configuration(
  tf.config.list_physical_devices("CPU")[0],
  [tf.config.LogicalDeviceConfiguration() for _ in range(REPLICAS)],
)
