# SPDX-License-Identifier: Apache-2.0
"""Checks of any pretraining: the first broken rule is a `UserError`."""

from collections.abc import Sequence

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data
from token_dropping.dropping import keep_schedule
from token_dropping.tasks import encoder_checks
from token_dropping.tasks import optimizers
from token_dropping.tasks.pretraining import config as pretraining_config


def check_options(task: pretraining_config.PretrainingConfig) -> None:
  """Checks the network and what all tasks of pretraining have."""
  encoder_checks.check_encoder(task)
  with errors.named("task.model.encoder.any."):
    task.model.encoder.any.check_pretraining(task.train_data.seq_length)
  optimizers.check_privacy(task)
  plan = task.model.encoder.any.drop_plan
  with errors.named("task.keep_schedule."):
    keep_schedule.phases(task.keep_schedule, plan)
  _check_evaluation(task)
  _check_slices(task)


def check_learning_rate(params: cfg.ExperimentConfig) -> None:
  """Refuses a rate by layer-tokens where nothing would change."""
  path = "task.learning_rate_by_layer_tokens"
  if not params.task.learning_rate_by_layer_tokens:
    return
  errors.require(
    params.task.keep_schedule.changes,
    f"{path} must be false unless task.keep_schedule changes the number of "
    "tokens in the course of training",
    "true",
  )
  optimizer = params.trainer.optimizer_config
  rate = optimizer.learning_rate.type
  errors.require(
    rate not in (None, "constant") or optimizer.warmup.type is not None,
    f"{path} must be false where trainer.optimizer_config has no schedule of "
    "the learning rate",
    f"true, with learning_rate.type {rate}",
  )


def check_best(params: cfg.ExperimentConfig, outputs: Sequence[str]) -> None:
  """Checks that what decides on the best checkpoint is evaluated."""
  metric = params.trainer.best_checkpoint_eval_metric
  if metric:
    path = "trainer.best_checkpoint_eval_metric"
    errors.require_choice(metric, outputs, path)


def check_skipping(data: cfg.DataConfig, path: str) -> None:
  """Refuses to skip bad records where another reader reads them."""
  policy, name = data.on_bad_records, f"{path}.on_bad_records"
  errors.require(
    not pretrain_data.skips_bad_records(data)
    or not (data.tfds_name or data.enable_tf_data_service),
    f"{name} must be stop with {path}.tfds_name and with "
    f"{path}.enable_tf_data_service",
    repr(policy),
  )


def _check_evaluation(task: pretraining_config.PretrainingConfig) -> None:
  path, encoder = "task.model.encoder.any", task.model.encoder.any
  errors.require(
    not (task.dropped_validation and encoder.drop_at_inference),
    f"task.dropped_validation must be false with {path}.drop_at_inference, "
    "which drops in every evaluation",
    "true",
  )
  if task.dropped_validation or encoder.drop_at_inference:
    with errors.named(f"{path}."):
      encoder.drop_plan.keep_counts(task.validation_data.seq_length)


def _check_slices(task: pretraining_config.PretrainingConfig) -> None:
  name, slices = "gradient_accumulation_steps", task.gradient_accumulation_steps
  size = task.train_data.global_batch_size
  rule = f"task.{name} must divide task.train_data.global_batch_size ({size})"
  errors.require(size % slices == 0, rule, slices)
  rule = (
    f"task.{name} must be 1 unless task.train_data.drop_remainder is true: the "
    "last batch may have any size"
  )
  errors.require(slices == 1 or task.train_data.drop_remainder, rule, slices)
