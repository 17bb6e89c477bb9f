# SPDX-License-Identifier: Apache-2.0
"""Is the task of a pretraining config consistent?"""

import contextlib
from collections.abc import Iterator, Sequence

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import dynamic_masking
from token_dropping.data.batches import pretrain_data
from token_dropping.dropping import keep_schedule
from token_dropping.models import encoder_config
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import semantic_consistency

_DATA = ("train_data", "validation_data")


def check(task: cfg.TaskConfig) -> None:
  """Checks what can be checked without data or device.

  Args:
    task: of `bert/token_drop` or of Model Garden's `bert/pretraining`.

  Raises:
    UserError: the first rule that is broken, with its dotted path.
  """
  for name in _DATA:
    data = getattr(task, name)
    _check_data(data, f"task.{name}")
    if isinstance(data, pretrain_data.PretrainDataConfig):
      _check_masking(data, f"task.{name}")
      _check_skipping(data, f"task.{name}")
  if isinstance(task, masked_lm_config.TokenDropMaskedLMConfig):
    encoder_config.check_encoder(task)
    _check_schedule(task)
    _check_validation(task)
    _check_slices(task)
    _check_faults(task)
  _check_heads(task)


def check_best(params: cfg.ExperimentConfig) -> None:
  """Checks that what decides on the best checkpoint is evaluated.

  Args:
    params: a pretraining experiment.

  Raises:
    UserError: evaluations have no output of that name.
  """
  names = ["lm_example_loss", "masked_lm_accuracy"]
  if params.task.train_data.use_next_sentence_label:
    names += ["next_sentence_loss", "next_sentence_accuracy"]
  if not isinstance(params.task, masked_lm_config.TokenDropMaskedLMConfig):
    names.append("validation_loss")  # Model Garden's task
  metric = params.trainer.best_checkpoint_eval_metric
  if metric:
    _check_choice(metric, names, "trainer.best_checkpoint_eval_metric")


def _check_faults(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  _check_choice(
    task.on_bad_numbers, pretrain_data.POLICIES, "task.on_bad_numbers"
  )
  for name in ("seed", "max_skipped_steps"):
    value = getattr(task, name)
    errors.require(value >= 0, f"task.{name} must be at least 0", value)


def _check_schedule(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  plan = task.model.encoder.any.drop_plan
  with _fields_of("task.keep_schedule"):
    keep_schedule.phases(task.keep_schedule, plan)
  with _fields_of("task.semantic_consistency"):
    semantic_consistency.check(
      task.semantic_consistency, masked_lm_config.schedule_of(task)
    )


@contextlib.contextmanager
def _fields_of(path: str) -> Iterator[None]:
  """Puts a dotted path before the field that a `ValueError` begins with."""
  try:
    yield
  except ValueError as error:
    raise errors.UserError(f"{path}.{error}") from error


def _check_validation(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  errors.require(
    not (task.dropped_validation and task.model.encoder.any.drop_at_inference),
    "task.dropped_validation must be false with "
    "task.model.encoder.any.drop_at_inference, which drops in every evaluation",
    "true",
  )


def find_doubts(task: cfg.TaskConfig) -> list[str]:
  """Returns one line for each setting that is allowed but looks wrong."""
  doubts = []
  for name in _DATA:
    doubts += _masking_doubts(getattr(task, name), f"task.{name}")
  return doubts


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


def _check_data(data: cfg.DataConfig, path: str) -> None:
  for name in ("global_batch_size", "seq_length", "max_predictions_per_seq"):
    value = getattr(data, name)
    errors.require(value >= 1, f"{path}.{name} must be at least 1", value)
  errors.require(
    data.max_predictions_per_seq <= data.seq_length,
    f"{path}.max_predictions_per_seq must be at most {path}.seq_length "
    f"({data.seq_length})",
    data.max_predictions_per_seq,
  )


def _check_slices(task: masked_lm_config.TokenDropMaskedLMConfig) -> None:
  """Checks that batches can be cut into equal slices."""
  path, slices = "gradient_accumulation_steps", task.gradient_accumulation_steps
  errors.require(slices >= 1, f"task.{path} must be at least 1", slices)
  batch_size = task.train_data.global_batch_size
  errors.require(
    batch_size % slices == 0,
    f"task.{path} must divide task.train_data.global_batch_size ({batch_size})",
    slices,
  )
  errors.require(
    slices == 1 or task.train_data.drop_remainder,
    f"task.{path} must be 1 unless task.train_data.drop_remainder is true: the "
    "last batch may have any size",
    slices,
  )


def _check_masking(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  _check_choice(data.masking, pretrain_data.MASKING, f"{path}.masking")
  _check_choice(
    data.masking_unit, dynamic_masking.UNITS, f"{path}.masking_unit"
  )
  _check_rates(data, path)
  for name in ("mask_share", "random_share"):
    value = getattr(data, name)
    errors.require(0 <= value <= 1, f"{path}.{name} must be in [0, 1]", value)
  errors.require(
    data.mask_share + data.random_share <= 1,
    f"{path}.mask_share + {path}.random_share must be at most 1",
    f"{data.mask_share} + {data.random_share}",
  )
  errors.require(
    data.max_span_words >= 1,
    f"{path}.max_span_words must be at least 1",
    data.max_span_words,
  )
  if pretrain_data.is_dynamic(data):
    _check_dynamic(data, path)


def _check_skipping(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  _check_choice(
    data.on_bad_records, pretrain_data.POLICIES, f"{path}.on_bad_records"
  )
  errors.require(
    data.max_bad_records >= 0,
    f"{path}.max_bad_records must be at least 0",
    data.max_bad_records,
  )
  errors.require(
    not pretrain_data.skips_bad_records(data)
    or not (data.tfds_name or data.enable_tf_data_service),
    f"{path}.on_bad_records must be stop with {path}.tfds_name and with "
    f"{path}.enable_tf_data_service",
    repr(data.on_bad_records),
  )


def _check_choice(value: str, choices: Sequence[str], path: str) -> None:
  rule = f"{path} must be one of {', '.join(choices)}"
  errors.require(value in choices, rule, repr(value))


def _check_rates(data: pretrain_data.PretrainDataConfig, path: str) -> None:
  rate, last = data.masking_rate, data.final_masking_rate
  errors.require(0 < rate < 1, f"{path}.masking_rate must be in (0, 1)", rate)
  if last is None:
    return
  errors.require(
    data.is_training,
    f"{path}.final_masking_rate must be unset: validation has one rate",
    last,
  )
  errors.require(
    not data.enable_tf_data_service,
    f"{path}.final_masking_rate must be unset with "
    f"{path}.enable_tf_data_service, whose workers do not know the step",
    last,
  )
  errors.require(
    0 < last < 1, f"{path}.final_masking_rate must be in (0, 1)", last
  )
  errors.require(
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
    errors.require(
      getattr(data, name) == value,
      f"{path}.{name} must be {str(value).lower() or 'empty'} with "
      f"{path}.masking=dynamic",
      str(getattr(data, name)).lower() if value != "" else repr(data.tfds_name),
    )


def _check_heads(task) -> None:
  names = [head.name for head in task.model.cls_heads]
  for name in ("train_data", "validation_data"):
    if getattr(task, name).use_next_sentence_label:
      errors.require(
        "next_sentence" in names,
        f"task.{name}.use_next_sentence_label needs a head named next_sentence "
        "in task.model.cls_heads",
        f"heads {names}",
      )
  if isinstance(task, masked_lm_config.TokenDropMaskedLMConfig):
    for index, head in enumerate(task.model.cls_heads):
      errors.require(
        head.cls_token_idx == 0,
        f"task.model.cls_heads[{index}].cls_token_idx must be 0: in training "
        "the last layer is computed at position 0 and where tokens are masked",
        head.cls_token_idx,
      )
