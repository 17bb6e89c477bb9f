# SPDX-License-Identifier: Apache-2.0
"""Checks of a pretraining task: the first broken rule is a `UserError`."""

from collections.abc import Sequence

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data
from token_dropping.dropping import keep_schedule
from token_dropping.tasks import encoder_checks
from token_dropping.tasks import optimizers
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import semantic_consistency


def check_data(data: cfg.DataConfig, path: str) -> None:
  """Checks how sizes fit and, of our own records, masking and skipping."""
  count, length = data.max_predictions_per_seq, data.seq_length
  rule = f"must be at most {path}.seq_length ({length})"
  errors.require(
    count <= length, f"{path}.max_predictions_per_seq {rule}", count
  )
  if isinstance(data, pretrain_data.PretrainDataConfig):
    _check_masking(data, path)
    _check_skipping(data, path)


def check_heads(task: cfg.TaskConfig) -> None:
  """Checks that sentence labels have a head to predict them."""
  names = [head.name for head in task.model.cls_heads]
  for name in ("train_data", "validation_data"):
    has_labels = getattr(task, name).use_next_sentence_label
    errors.require(
      not has_labels or "next_sentence" in names,
      f"task.{name}.use_next_sentence_label needs a head named next_sentence "
      "in task.model.cls_heads",
      f"heads {names}",
    )


def check_best(
  params: cfg.ExperimentConfig, more_outputs: Sequence[str]
) -> None:
  """Checks that what decides on the best checkpoint is evaluated."""
  names = ["lm_example_loss", "masked_lm_accuracy"]
  if params.task.train_data.use_next_sentence_label:
    names += ["next_sentence_loss", "next_sentence_accuracy"]
  metric = params.trainer.best_checkpoint_eval_metric
  if metric:
    path = "trainer.best_checkpoint_eval_metric"
    errors.require_choice(metric, [*names, *more_outputs], path)


def check_options(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  """Checks the encoder and what our task has beside Model Garden's."""
  encoder_checks.check_encoder(task)
  with encoder_checks.named("task.model.encoder.any."):
    task.model.encoder.any.check_pretraining(task.train_data.seq_length)
  optimizers.check_privacy(task)
  _check_schedule(task)
  _check_evaluation(task)
  _check_slices(task)
  for index, head in enumerate(task.model.cls_heads):
    errors.require(
      head.cls_token_idx == 0,
      f"task.model.cls_heads[{index}].cls_token_idx must be 0: in training the "
      "last layer is computed at position 0 and where tokens are masked",
      head.cls_token_idx,
    )


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


def _check_schedule(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  plan = task.model.encoder.any.drop_plan
  with encoder_checks.named("task.keep_schedule."):
    keep_schedule.phases(task.keep_schedule, plan)
  with encoder_checks.named("task.semantic_consistency."):
    schedule = masked_lm_config.schedule_of(task)
    semantic_consistency.check_use(task.semantic_consistency, schedule)


def _check_evaluation(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  path, encoder = "task.model.encoder.any", task.model.encoder.any
  errors.require(
    not (task.dropped_validation and encoder.drop_at_inference),
    f"task.dropped_validation must be false with {path}.drop_at_inference, "
    "which drops in every evaluation",
    "true",
  )
  if task.dropped_validation or encoder.drop_at_inference:
    with encoder_checks.named(f"{path}."):
      encoder.drop_plan.keep_counts(task.validation_data.seq_length)


def _check_slices(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  name, slices = "gradient_accumulation_steps", task.gradient_accumulation_steps
  size = task.train_data.global_batch_size
  rule = f"task.{name} must divide task.train_data.global_batch_size ({size})"
  errors.require(size % slices == 0, rule, slices)
  rule = (
    f"task.{name} must be 1 unless task.train_data.drop_remainder is true: the "
    "last batch may have any size"
  )
  errors.require(slices == 1 or task.train_data.drop_remainder, rule, slices)


def _check_masking(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  _check_rates(data, path)
  masks, others = data.mask_share, data.random_share
  rule = f"{path}.mask_share + {path}.random_share must be at most 1"
  errors.require(masks + others <= 1, rule, f"{masks} + {others}")
  if not pretrain_data.is_dynamic(data):
    return
  for name, wanted, word, shown in (
    ("use_v2_feature_names", True, "true", "false"),
    ("use_position_id", False, "false", "true"),
    ("tfds_name", "", "empty", repr(data.tfds_name)),
  ):
    rule = f"{path}.{name} must be {word} with {path}.masking=dynamic"
    errors.require(getattr(data, name) == wanted, rule, shown)


def _check_rates(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  last = data.final_masking_rate
  if last is None:
    return
  name = f"{path}.final_masking_rate"
  rule = f"{name} must be unset: validation has one rate"
  errors.require(data.is_training, rule, last)
  errors.require(
    not data.enable_tf_data_service,
    f"{name} must be unset with {path}.enable_tf_data_service, whose workers "
    "do not know the step",
    last,
  )
  steps = data.masking_rate_steps
  rule = f"{path}.masking_rate_steps must be at least 1"
  errors.require(steps >= 1, rule, steps)


def _check_skipping(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  policy, name = data.on_bad_records, f"{path}.on_bad_records"
  errors.require(
    not pretrain_data.skips_bad_records(data)
    or not (data.tfds_name or data.enable_tf_data_service),
    f"{name} must be stop with {path}.tfds_name and with "
    f"{path}.enable_tf_data_service",
    repr(policy),
  )
