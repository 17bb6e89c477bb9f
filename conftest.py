# SPDX-License-Identifier: Apache-2.0
"""Test set-up: several logical CPU devices, made before TensorFlow starts."""

import os

import psutil
import pytest
from xdist.scheduler import LoadFileScheduling

# Tests compile more than they compute: XLA makes its machine code as it comes.
# What it fuses, counts and rounds is decided before.
os.environ["XLA_FLAGS"] = " ".join(
  [os.environ.get("XLA_FLAGS", ""), "--xla_backend_optimization_level=0"]
)

import tensorflow as tf

REPLICAS = 4
# Bytes of a process that begins no other file of tests, whatever that adds.
LARGE = 2.4e9

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


class _RenewingScheduler(LoadFileScheduling):
  """Gives files to processes; a new process takes the place of a large one.

  XLA's programs and TensorFlow's functions stay in a process until it ends.
  """

  def _reschedule(self, node) -> None:
    if node not in self.registered_collections:  # it is still being set up
      return
    done = self._pending_of(self.assigned_work[node]) <= 2
    if done and self.workqueue and not node.shutting_down and _is_large(node):
      node.shutdown()
      self.config.pluginmanager.getplugin("dsession")._clone_node(node)
      return
    for _ in range(2):  # a test begins when its process knows the one after it
      super()._reschedule(node)


def _is_large(node) -> bool:
  try:
    process = psutil.Process(node.gateway._io.popen.pid)
    return process.memory_info().rss > LARGE
  except psutil.NoSuchProcess:  # it crashed, which pytest-xdist reports
    return False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
  if config.getvalue("dist") == "loadfile":
    return _RenewingScheduler(config, log)
  return None
