# SPDX-License-Identifier: Apache-2.0
"""A tiny pretraining run under any strategy, in this process or in workers."""

import contextlib
import json
import os
import sys

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import task_factory

from tests import testing
from token_dropping.common import config_overrides
from token_dropping.tasks import experiments

BATCH, STEPS = 8, 20
SHORT = 5  # records of the last batch
# Adam turns rounding errors of gradients that should be 0 (those of the key
# biases, for one) into steps; a larger epsilon does not.
STEADY = {"optimizer": {"adamw": {"epsilon": 1e-3}}}


def make_params(changes: dict | None = None, name: str = "bert/token_drop"):
  """Returns the tiny experiment: AdamW whose clipping is always at work."""
  params = experiments.get(name)
  rate = {"initial_learning_rate": 1e-3, "decay_steps": 1000}
  clipped = {
    "optimizer": {"adamw": {"gradient_clip_norm": 0.1}},
    "learning_rate": {"polynomial": rate},
  }
  trainer = {"trainer": {"optimizer_config": clipped}}
  overrides = testing.merged(testing.tiny(name), trainer, changes or {})
  config_overrides.apply_overrides(params, overrides, source="test")
  return params


def make_records(count: int, padding_every: int = 0) -> dict:
  """Returns records as arrays [count, ...].

  Of each `padding_every` records the last quarter is padding alone.
  """
  records = [testing.random_features(seed) for seed in range(count)]
  arrays = {}
  for name in records[0]:
    kind = np.float32 if name == "masked_lm_weights" else np.int32
    arrays[name] = np.array([record[name] for record in records], kind)
  if padding_every:
    rows = np.arange(count) % padding_every >= padding_every * 3 // 4
    for array in arrays.values():
      array[rows] = 0
  return arrays


def make_batch(size: int = 4) -> dict[str, tf.Tensor]:
  """Returns records as one batch."""
  return {k: tf.constant(array) for k, array in make_records(size).items()}


class Run:
  """A model that trains, with changes to the tiny experiment."""

  def __init__(self, strategy, changes: dict | None = None, **experiment):
    params = make_params(changes, **experiment)
    self.strategy = strategy
    with strategy.scope():
      tf_keras.utils.set_random_seed(1)
      self.task = task_factory.get_task(params.task)
      self.model = self.task.build_model()
      self.optimizer = self.task.create_optimizer(
        params.trainer.optimizer_config, params.runtime
      )
      self.metrics = self.task.build_metrics(training=True)
      # Made in the step, they would have it traced twice.
      self.optimizer._create_all_weights(self.model.trainable_variables)

  def train(self, records: dict, batch_size: int = BATCH) -> list[float]:
    """Trains on all records; returns the loss of each step."""
    step = tf.function(self._step)
    batches = distribute(self.strategy, records, batch_size)
    return [float(step(batch)) for batch in batches]

  def _step(self, batch):
    def step(inputs):
      return self.task.train_step(
        inputs, self.model, self.optimizer, self.metrics
      )["loss"]

    losses = self.strategy.run(step, args=(batch,))
    return self.strategy.reduce("MEAN", losses, axis=None)

  def tables(self) -> list[np.ndarray]:
    """Returns what importance has learnt on each local replica."""
    (table,) = self.model.encoder_network.importance_scorer.weights
    copies = self.strategy.experimental_local_results(table)
    return [copy.numpy() for copy in copies]

  def scores(self) -> dict[str, float]:
    """Returns the metrics."""
    return {metric.name: float(metric.result()) for metric in self.metrics}

  def learnt(self) -> list:
    """Returns the metrics, what importance has learnt, and the weights."""
    weights = self.model.get_weights()
    return [*self.scores().values(), self.tables()[0], *weights]


def assert_same(found: list, expected: list, rtol: float = 0.0) -> None:
  """Compares numbers and arrays, one by one, up to rounding."""
  for one, other in zip(found, expected, strict=True):
    np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-5)


@contextlib.contextmanager
def precision(name: str):
  """Computes in float32, bfloat16 or float16; gives the run's changes."""
  policy = tf_keras.mixed_precision.global_policy()
  is_mixed = name != "float32"
  tf_keras.mixed_precision.set_global_policy(f"mixed_{name}" * is_mixed or name)
  try:
    yield {"mixed_precision_dtype": name} if is_mixed else {}
  finally:
    tf_keras.mixed_precision.set_global_policy(policy)


def distribute(strategy, records: dict, batch_size: int = BATCH):
  """Returns the batches of some records; each is split among the replicas."""
  dataset = tf.data.Dataset.from_tensor_slices(records).batch(batch_size)
  options = tf.data.Options()
  by_data = tf.data.experimental.AutoShardPolicy.DATA
  options.experimental_distribute.auto_shard_policy = by_data
  return strategy.experimental_distribute_dataset(dataset.with_options(options))


def all_records() -> dict:
  """Returns records for `STEPS` batches, the last one short.

  In every full batch the last quarter of the records is padding alone, in every
  fourth one the last half: all that the last of four replicas, or of two, gets.
  """
  count = (STEPS - 1) * BATCH + SHORT
  arrays = make_records(count, padding_every=BATCH)
  batch, row = np.divmod(np.arange(count), BATCH)
  for array in arrays.values():
    array[(batch % 4 == 3) & (row >= BATCH // 2)] = 0
  return arrays


def main() -> None:
  """One worker of several, as `TF_CONFIG` says; writes what it has learnt."""
  strategy = tf.distribute.MultiWorkerMirroredStrategy()
  run = Run(strategy)
  losses = run.train(all_records())
  index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
  path = os.path.join(sys.argv[1], f"worker{index}.npz")
  np.savez(path, losses=losses, table=run.tables()[0])


if __name__ == "__main__":
  main()
