# SPDX-License-Identifier: Apache-2.0
"""Checks of a pretraining task: the first broken rule is a `UserError`."""

from collections.abc import Sequence

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import semantic_consistency
from token_dropping.tasks.pretraining import checks as pretraining
from token_dropping.tasks.pretraining import config as pretraining_config


def check_data(data: cfg.DataConfig, path: str) -> None:
  """Checks how sizes fit and, of our own records, masking and skipping."""
  count, length = data.max_predictions_per_seq, data.seq_length
  rule = f"must be at most {path}.seq_length ({length})"
  errors.require(
    count <= length, f"{path}.max_predictions_per_seq {rule}", count
  )
  if isinstance(data, pretrain_data.PretrainDataConfig):
    _check_masking(data, path)
    pretraining.check_skipping(data, path)


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
  pretraining.check_best(params, [*names, *more_outputs])


def check_options(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  """Checks what our task has beside other pretraining."""
  with errors.named("task.semantic_consistency."):
    schedule = pretraining_config.schedule_of(task)
    semantic_consistency.check_use(task.semantic_consistency, schedule)
  for index, head in enumerate(task.model.cls_heads):
    errors.require(
      head.cls_token_idx == 0,
      f"task.model.cls_heads[{index}].cls_token_idx must be 0: in training the "
      "last layer is computed at position 0 and where tokens are masked",
      head.cls_token_idx,
    )


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
