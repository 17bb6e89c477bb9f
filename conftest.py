# SPDX-License-Identifier: Apache-2.0
"""Test set-up: several logical CPU devices, made before TensorFlow starts."""

import tensorflow as tf

REPLICAS = 4

tf.config.set_logical_device_configuration(
  tf.config.list_physical_devices("CPU")[0],
  [tf.config.LogicalDeviceConfiguration() for _ in range(REPLICAS)],
)
