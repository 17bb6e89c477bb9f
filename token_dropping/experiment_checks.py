# SPDX-License-Identifier: Apache-2.0
"""Is an experiment config consistent? Asked before anything is built."""

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping import encoder_config
from token_dropping import errors
from token_dropping import masked_lm
from token_dropping import pretrain_data
from token_dropping.data import dynamic_masking
from token_dropping.layers import importance_scorer

STRATEGIES = (
  "off",
  "one_device",
  "mirrored",
  "multi_worker_mirrored",
  "parameter_server",
  "tpu",
)
ENCODER_SIZES = (
  "vocab_size",
  "hidden_size",
  "num_layers",
  "num_attention_heads",
  "intermediate_size",
  "max_position_embeddings",
  "type_vocab_size",
)


def check_experiment(params: cfg.ExperimentConfig) -> None:
  """Checks what can be checked without data or device.

  Args:
    params: the whole config.

  Raises:
    UserError: the first rule that is broken, with its dotted path.
  """
  _check_runtime(params.runtime)
  _check_trainer(params.trainer)
  for name in ("train_data", "validation_data"):
    data = getattr(params.task, name)
    _check_data(data, f"task.{name}")
    if isinstance(data, pretrain_data.PretrainDataConfig):
      _check_masking(data, f"task.{name}")
  _check_encoder(params.task)
  _check_heads(params.task)


def find_doubts(params: cfg.ExperimentConfig) -> list[str]:
  """Returns one line for each setting that is allowed but looks wrong."""
  doubts = _warmup_doubts(params.trainer.optimizer_config)
  for name in ("train_data", "validation_data"):
    doubts += _masking_doubts(getattr(params.task, name), f"task.{name}")
  return doubts


def _warmup_doubts(optimizer) -> list[str]:
  warmup = getattr(optimizer.warmup.get(), "warmup_steps", None) or 0
  decay = getattr(optimizer.learning_rate.get(), "decay_steps", None)
  if decay is not None and warmup >= decay:
    return [
      "trainer.optimizer_config: warmup_steps should be below decay_steps "
      f"({decay}), or the learning rate stays at its end. Received: {warmup}"
    ]
  return []


def _masking_doubts(data: cfg.DataConfig, path: str) -> list[str]:
  """Doubts a rate that a full sequence has no room for."""
  if not pretrain_data.is_dynamic(data):
    return []
  rate = max(data.masking_rate, data.final_masking_rate or 0)
  wanted = round(rate * (data.seq_length - 2))  # without [CLS] and [SEP]
  if wanted > data.max_predictions_per_seq:
    return [
      f"{path}.max_predictions_per_seq should be at least {wanted} for a rate "
      f"of {rate}, or fewer tokens are masked. "
      f"Received: {data.max_predictions_per_seq}"
    ]
  return []


def used_data(
  params: cfg.ExperimentConfig, mode: str
) -> dict[str, cfg.DataConfig]:
  """Returns the data configs that a mode reads, by dotted path."""
  used = {}
  if "train" in mode:
    used["task.train_data"] = params.task.train_data
  if "eval" in mode:
    used["task.validation_data"] = params.task.validation_data
  return used


def _require(condition: bool, rule: str, received) -> None:
  if not condition:
    raise errors.UserError(f"{rule}. Received: {received}")


def _check_runtime(runtime: cfg.RuntimeConfig) -> None:
  _require(
    runtime.distribution_strategy in STRATEGIES,
    f"runtime.distribution_strategy must be one of {', '.join(STRATEGIES)}",
    repr(runtime.distribution_strategy),
  )
  gpus = len(tf.config.list_physical_devices("GPU"))
  _require(
    0 <= runtime.num_gpus <= gpus,
    f"runtime.num_gpus must be at most the {gpus} GPUs that TensorFlow finds",
    runtime.num_gpus,
  )


def _check_trainer(trainer: cfg.TrainerConfig) -> None:
  for name in (
    "train_steps",
    "steps_per_loop",
    "summary_interval",
    "checkpoint_interval",
    "validation_interval",
  ):
    value = getattr(trainer, name)
    _require(value >= 1, f"trainer.{name} must be at least 1", value)
  _require(
    trainer.summary_interval % trainer.steps_per_loop == 0,
    "trainer.summary_interval must be a multiple of trainer.steps_per_loop "
    f"({trainer.steps_per_loop})",
    trainer.summary_interval,
  )
  steps = trainer.validation_steps
  _require(
    steps == -1 or steps >= 1,
    "trainer.validation_steps must be at least 1, or -1 for all data",
    steps,
  )


def _check_data(data: cfg.DataConfig, path: str) -> None:
  for name in ("global_batch_size", "seq_length", "max_predictions_per_seq"):
    value = getattr(data, name)
    _require(value >= 1, f"{path}.{name} must be at least 1", value)
  _require(
    data.max_predictions_per_seq <= data.seq_length,
    f"{path}.max_predictions_per_seq must be at most {path}.seq_length "
    f"({data.seq_length})",
    data.max_predictions_per_seq,
  )


def _check_masking(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  _check_choice(data.masking, pretrain_data.MASKING, f"{path}.masking")
  _check_choice(
    data.masking_unit, dynamic_masking.UNITS, f"{path}.masking_unit"
  )
  _check_rates(data, path)
  for name in ("mask_share", "random_share"):
    value = getattr(data, name)
    _require(0 <= value <= 1, f"{path}.{name} must be in [0, 1]", value)
  _require(
    data.mask_share + data.random_share <= 1,
    f"{path}.mask_share + {path}.random_share must be at most 1",
    f"{data.mask_share} + {data.random_share}",
  )
  _require(
    data.max_span_words >= 1,
    f"{path}.max_span_words must be at least 1",
    data.max_span_words,
  )
  if pretrain_data.is_dynamic(data):
    _check_dynamic(data, path)


def _check_choice(value: str, choices: tuple[str, ...], path: str) -> None:
  rule = f"{path} must be one of {', '.join(choices)}"
  _require(value in choices, rule, repr(value))


def _check_rates(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  rate, last = data.masking_rate, data.final_masking_rate
  _require(0 < rate < 1, f"{path}.masking_rate must be in (0, 1)", rate)
  if last is None:
    return
  _require(
    data.is_training,
    f"{path}.final_masking_rate must be unset: validation has one rate",
    last,
  )
  _require(
    not data.enable_tf_data_service,
    f"{path}.final_masking_rate must be unset with "
    f"{path}.enable_tf_data_service, whose workers do not know the step",
    last,
  )
  _require(0 < last < 1, f"{path}.final_masking_rate must be in (0, 1)", last)
  _require(
    data.masking_rate_steps >= 1,
    f"{path}.masking_rate_steps must be at least 1",
    data.masking_rate_steps,
  )


def _check_dynamic(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  """Checks what dynamic masking needs of Model Garden's fields."""
  for name, value in (
    ("use_v2_feature_names", True),
    ("use_position_id", False),
    ("tfds_name", ""),
  ):
    _require(
      getattr(data, name) == value,
      f"{path}.{name} must be {str(value).lower() or 'empty'} with "
      f"{path}.masking=dynamic",
      str(getattr(data, name)).lower() if value != "" else repr(data.tfds_name),
    )


def _check_encoder(task) -> None:
  if not isinstance(task, masked_lm.TokenDropMaskedLMConfig):
    return
  kind = task.model.encoder.type
  _require(kind == "any", "task.model.encoder.type must be any", repr(kind))
  config = task.model.encoder.any
  path = "task.model.encoder.any"
  for name in ENCODER_SIZES:
    value = getattr(config, name)
    _require(value >= 1, f"{path}.{name} must be at least 1", value)
  _require(
    config.hidden_size % config.num_attention_heads == 0,
    f"{path}.hidden_size must be a multiple of num_attention_heads "
    f"({config.num_attention_heads})",
    config.hidden_size,
  )
  try:
    plan = encoder_config.get_drop_plan(config)
    plan.keep_count(task.train_data.seq_length)
    lists = encoder_config.get_id_lists(config)
    importance_scorer.check_id_lists(config.vocab_size, *lists)
    importance_scorer.check_beta(config.token_loss_beta)
  except ValueError as error:
    raise errors.UserError(f"{path}: {error}") from error
  for name in ("train_data", "validation_data"):
    length = getattr(task, name).seq_length
    _require(
      length <= config.max_position_embeddings,
      f"task.{name}.seq_length must be at most {path}.max_position_embeddings "
      f"({config.max_position_embeddings})",
      length,
    )


def _check_heads(task) -> None:
  names = [head.name for head in task.model.cls_heads]
  for name in ("train_data", "validation_data"):
    if getattr(task, name).use_next_sentence_label:
      _require(
        "next_sentence" in names,
        f"task.{name}.use_next_sentence_label needs a head named next_sentence "
        "in task.model.cls_heads",
        f"heads {names}",
      )
  if isinstance(task, masked_lm.TokenDropMaskedLMConfig):
    for index, head in enumerate(task.model.cls_heads):
      _require(
        head.cls_token_idx == 0,
        f"task.model.cls_heads[{index}].cls_token_idx must be 0: in training "
        "the last layer is computed at position 0 and where tokens are masked",
        head.cls_token_idx,
      )
