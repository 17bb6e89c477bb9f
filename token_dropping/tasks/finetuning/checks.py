# SPDX-License-Identifier: Apache-2.0
"""Is the task of a fine-tuning config consistent?"""

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.dropping import config as dropping_config
from token_dropping.models import encoder_config
from token_dropping.tasks.finetuning import filling as finetune_filling
from token_dropping.tasks.sentences import task as sentence_task

_FROM_RUN = "so that all weights come from --pretrained"


def check(params: cfg.ExperimentConfig) -> None:
  """Checks what can be checked without device.

  Args:
    params: a fine-tuning experiment after `finetune_filling.fill_in`.

  Raises:
    UserError: the first rule that is broken, with its dotted path.
  """
  task = params.task
  errors.require(
    bool(task.init_checkpoint),
    "--pretrained must be the folder of a pretraining run",
    "nothing",
  )
  errors.require(
    not task.hub_module_url,
    f"task.hub_module_url must be unset, {_FROM_RUN}",
    repr(task.hub_module_url),
  )
  _check_numbers(task)
  _check_validation(params)
  encoder_config.check_encoder(task)
  errors.require(
    not task.model.encoder.any.drop_at_inference,
    "task.model.encoder.any.drop_at_inference must be false: what is evaluated "
    "is what is exported, the whole sequence",
    "true",
  )
  if isinstance(task, sentence_task.SentenceTaskConfig):
    _check_sentences(task)


def find_doubts(task: cfg.TaskConfig) -> list[str]:
  """Returns one line for each setting that is allowed but looks wrong."""
  encoder = task.model.encoder.any
  if encoder.token_keep_ratio != 1.0:
    return []
  # What describes dropping, and what it is where nobody set it.
  unset = {
    "drop_layer": (encoder.drop_layer, None),
    "restore_layer": (encoder.restore_layer, None),
    "drop.type": (encoder.drop.type, dropping_config.DropConfig.type),
  }
  return [
    f"task.model.encoder.any.{name} should be set with token_keep_ratio or "
    f"token_keep_k: nothing drops. Received: {value}"
    for name, (value, default) in unset.items()
    if value != default
  ]


def _check_numbers(task) -> None:
  errors.require(
    0 <= task.warmup_share <= 1,
    "task.warmup_share must be in [0, 1]",
    task.warmup_share,
  )
  errors.require(task.seed >= 0, "task.seed must be at least 0", task.seed)
  errors.require(
    task.validation_data.global_batch_size >= 1,
    "task.validation_data.global_batch_size must be at least 1",
    task.validation_data.global_batch_size,
  )


def _check_validation(params: cfg.ExperimentConfig) -> None:
  """Scores are of the whole dev set, and the best checkpoint is by a score."""
  errors.require(
    params.trainer.validation_steps == -1,
    "trainer.validation_steps must be -1: scores are of all data",
    params.trainer.validation_steps,
  )
  errors.require(
    not params.task.validation_data.drop_remainder,
    "task.validation_data.drop_remainder must be false: scores are of all data",
    "true",
  )
  names = finetune_filling.score_names(params.task)
  metric = params.trainer.best_checkpoint_eval_metric
  errors.require(
    metric in names,
    f"trainer.best_checkpoint_eval_metric must be one of {', '.join(names)}",
    repr(metric),
  )


def _check_sentences(task: sentence_task.SentenceTaskConfig) -> None:
  """Refuses fields of Model Garden's task that have no effect here."""
  errors.require(
    task.metric_type == "accuracy",
    "task.metric_type must be unset: task.data_dir says how to score",
    repr(task.metric_type),
  )
  errors.require(
    not task.init_cls_pooler,
    "task.init_cls_pooler must be false: the encoder's own pooler is used",
    "true",
  )
