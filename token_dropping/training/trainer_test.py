# SPDX-License-Identifier: Apache-2.0
"""Tests of devices and trainer."""

import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from tests import config_testing
from tests import testing
from token_dropping.training import trainer


@pytest.mark.parametrize("name", ["one_device", "mirrored"])
def test_one_device_needs_no_mirroring(name):
  runtime = cfg.RuntimeConfig(distribution_strategy=name)
  strategy = trainer.make_strategy(runtime)
  assert isinstance(strategy, tf.distribute.OneDeviceStrategy)
  assert trainer.compiles_step(strategy)


def test_gpus_must_exist():
  more = len(tf.config.list_physical_devices("GPU")) + 1
  runtime = cfg.RuntimeConfig(distribution_strategy="mirrored", num_gpus=more)
  assert testing.refused(trainer.make_strategy, runtime) == (
    f"runtime.num_gpus must be at most the {more - 1} GPUs that TensorFlow "
    f"finds. Received: {more}"
  )


def test_a_tpu_must_exist():
  runtime = cfg.RuntimeConfig(distribution_strategy="tpu", tpu="local")
  assert testing.refused(trainer.make_strategy, runtime).startswith(
    "--tpu must name a TPU that TensorFlow finds. Received: 'local': "
  )


def test_this_host_runs_the_loop_of_its_replicas_and_compiles_none():
  assert not trainer.compiles_step(testing.mirrored(2))
  assert trainer.host_runs_loop(testing.mirrored(2))


def test_batches_that_replicas_cannot_share_are_refused():
  arguments = config_testing.changed(), testing.mirrored(3), "train", None
  message = testing.refused(trainer.make_trainer, *arguments)
  assert "must be a multiple of 3 replicas. " in message
