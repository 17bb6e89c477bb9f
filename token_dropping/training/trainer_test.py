# SPDX-License-Identifier: Apache-2.0
"""Tests of devices and trainer."""

import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from tests import replica_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.training import trainer


@pytest.mark.parametrize("name", ["one_device", "mirrored"])
def test_one_device_needs_no_mirroring(name):
  strategy = trainer.make_strategy(
    cfg.RuntimeConfig(distribution_strategy=name)
  )
  assert isinstance(strategy, tf.distribute.OneDeviceStrategy)
  assert trainer.compiles_step(strategy)


def test_gpus_must_exist():
  gpus = len(tf.config.list_physical_devices("GPU"))
  with pytest.raises(errors.UserError) as caught:
    trainer.make_strategy(
      cfg.RuntimeConfig(distribution_strategy="mirrored", num_gpus=gpus + 1)
    )
  assert str(caught.value) == (
    f"runtime.num_gpus must be at most the {gpus} GPUs that TensorFlow finds. "
    f"Received: {gpus + 1}"
  )


def test_several_cpu_replicas_are_not_compiled():
  assert not trainer.compiles_step(testing.mirrored(2))


def test_this_host_runs_the_loop_of_its_replicas():
  assert trainer.host_runs_loop(testing.mirrored(2))


def test_batches_that_replicas_cannot_share_are_refused():
  params = replica_testing.make_params(
    {"task": {"train_data": {"global_batch_size": 6}}}
  )
  with pytest.raises(errors.UserError) as caught:
    trainer.make_trainer(params, testing.mirrored(4), "train", None)
  assert str(caught.value) == (
    "task.train_data.global_batch_size must be a multiple of 4 replicas. "
    "Received: 6"
  )
