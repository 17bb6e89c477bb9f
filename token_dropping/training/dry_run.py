# SPDX-License-Identifier: Apache-2.0
"""One training step on made-up records: does this installation train?"""

import resource

import numpy as np
import orbit
import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.models import multiply_adds
from token_dropping.models import network_config
from token_dropping.tasks import experiments
from token_dropping.tasks import hooks as task_hooks
from token_dropping.training import trainer as trainer_lib


def run_dry(params: cfg.ExperimentConfig) -> str:
  """Builds the model, trains one step and reports; reads and writes nothing."""
  strategy = trainer_lib.make_strategy(params.runtime)
  hooks = experiments.hooks_of(params)
  dataset = orbit.utils.make_distributed_dataset(
    strategy, _repeat_made_up_batch, hooks
  )
  trainer = trainer_lib.make_trainer(
    params, strategy, mode="train", model_dir=None, train_dataset=dataset
  )
  outputs = trainer.train(tf.constant(1))
  loss = float(orbit.utils.get_value(outputs["training_loss"]))
  parameters = sum(
    int(np.prod(v.shape)) for v in trainer.model.trainable_variables
  )
  headline = f"Dry run: one step on {strategy.num_replicas_in_sync} replica(s)"
  lines = [
    f"{headline}, loss {loss:.3f}.",
    f"  parameters       {parameters:,}",
    *_cost_lines(hooks),
    *_memory_lines(),
  ]
  return "\n".join(lines)


def _repeat_made_up_batch(
  hooks: task_hooks.TaskHooks, input_context: tf.distribute.InputContext
) -> tf.data.Dataset:
  size = input_context.get_per_replica_batch_size(
    hooks.task.train_data.global_batch_size
  )
  return tf.data.Dataset.from_tensors(hooks.made_up_batch(size)).repeat()


def _cost_lines(hooks: task_hooks.TaskHooks) -> list[str]:
  """Returns the multiply-adds of a forward pass, dense and as configured."""
  encoder, data = hooks.task.model.encoder.get(), hooks.task.train_data
  if isinstance(encoder, network_config.NetworkConfig):
    shape = encoder.shape(data)
  else:  # Model Garden's
    shape = multiply_adds.BertShape.from_config(encoder, data)
  dense = multiply_adds.dense_macs(shape)
  name, billions = shape.name, dense / 1e9
  lines = [f"  {name:16s} {billions:.3f} G multiply-adds a sequence"]
  dropped = hooks.mean_macs(shape)
  if dropped is not None:
    lines.append(
      f"  token dropping   {dropped / 1e9:.3f} G multiply-adds a sequence, "
      f"{dropped / dense:.3f} of {name}"
    )
  return lines


def _memory_lines() -> list[str]:
  usage = resource.getrusage(resource.RUSAGE_SELF)
  peaks = {"process": usage.ru_maxrss * 1024}
  for index in range(len(tf.config.list_physical_devices("GPU"))):
    info = tf.config.experimental.get_memory_info(f"GPU:{index}")
    peaks[f"GPU {index}"] = info["peak"]
  return [
    f"  peak memory      {peak / 2**30:.2f} GiB ({name})"
    for name, peak in peaks.items()
  ]
