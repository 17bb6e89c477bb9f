# SPDX-License-Identifier: Apache-2.0
"""Multiply-adds of a training up to each of its steps."""

from collections.abc import Callable

from official.core import config_definitions as cfg

from token_dropping import cost
from token_dropping import encoder_config
from token_dropping import keep_schedule


def training_macs(params: cfg.ExperimentConfig) -> Callable[[int], float]:
  """Returns a function from step to multiply-adds of the training up to it.

  Args:
    params: a checked pretraining experiment.
  """
  task = params.task
  config, data = task.model.encoder.any, task.train_data
  shape = cost.BertShape(
    num_layers=config.num_layers,
    hidden_size=config.hidden_size,
    intermediate_size=config.intermediate_size,
    vocab_size=config.vocab_size,
    seq_length=data.seq_length,
    predictions=data.max_predictions_per_seq,
  )
  plan = encoder_config.get_drop_plan(config)
  phases = keep_schedule.phases(task.keep_schedule, plan)
  sequences = 3 * data.global_batch_size  # a backward pass costs twice
  return lambda step: sequences * step * cost.schedule_macs(shape, phases, step)
