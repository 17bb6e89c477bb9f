# SPDX-License-Identifier: Apache-2.0
"""Is an experiment config consistent? Asked before anything is built."""

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.tasks import experiments

STRATEGIES = (
  "off",
  "one_device",
  "mirrored",
  "multi_worker_mirrored",
  "parameter_server",
  "tpu",
)


def check_experiment(params: cfg.ExperimentConfig) -> None:
  """Checks what can be checked without data or device."""
  _check_runtime(params.runtime)
  _check_trainer(params.trainer)
  _check_clipping(params.trainer.optimizer_config.optimizer)
  experiments.hooks_of(params).check()
  replicas = _known_replicas(params.runtime)
  if replicas is not None:
    check_replicas(params, replicas)


def check_replicas(params: cfg.ExperimentConfig, replicas: int) -> None:
  """Checks that so many replicas get equal parts of a batch and of its slices.

  TPUs and workers know their number only once they are connected.
  """
  slices = getattr(params.task, "gradient_accumulation_steps", 1)
  for name, parts in (("train_data", slices), ("validation_data", 1)):
    size = getattr(params.task, name).global_batch_size
    rule = f"task.{name}.global_batch_size must be a multiple of {replicas}"
    rule += " replicas"
    if parts > 1:
      rule += f" x {parts} task.gradient_accumulation_steps"
    errors.require(size % (replicas * parts) == 0, rule, size)


def _known_replicas(runtime: cfg.RuntimeConfig) -> int | None:
  """Returns the number of replicas where the config alone says it."""
  name = runtime.distribution_strategy
  if name in ("off", "one_device"):
    return 1
  return max(runtime.num_gpus, 1) if name == "mirrored" else None


def find_doubts(params: cfg.ExperimentConfig) -> list[str]:
  """Returns one line for each setting that is allowed but looks wrong."""
  doubts = _warmup_doubts(params.trainer.optimizer_config)
  return doubts + experiments.hooks_of(params).find_doubts()


def _warmup_doubts(optimizer) -> list[str]:
  warmup = getattr(optimizer.warmup.get(), "warmup_steps", None) or 0
  decay = getattr(optimizer.learning_rate.get(), "decay_steps", None)
  if decay is not None and warmup >= decay:
    return [
      "trainer.optimizer_config: warmup_steps should be below decay_steps "
      f"({decay}), or the learning rate stays at its end. Received: {warmup}"
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


def _check_runtime(runtime: cfg.RuntimeConfig) -> None:
  errors.require(
    runtime.distribution_strategy in STRATEGIES,
    f"runtime.distribution_strategy must be one of {', '.join(STRATEGIES)}",
    repr(runtime.distribution_strategy),
  )
  errors.require(
    runtime.num_gpus >= 0,
    "runtime.num_gpus must be at least 0",
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
    errors.require(value >= 1, f"trainer.{name} must be at least 1", value)
  errors.require(
    trainer.summary_interval % trainer.steps_per_loop == 0,
    "trainer.summary_interval must be a multiple of trainer.steps_per_loop "
    f"({trainer.steps_per_loop})",
    trainer.summary_interval,
  )
  steps = trainer.validation_steps
  errors.require(
    steps == -1 or steps >= 1,
    "trainer.validation_steps must be at least 1, or -1 for all data",
    steps,
  )
  for name, off in experiments.REPLACED.items():
    value = getattr(trainer, name)
    errors.require(
      value == off,
      f"trainer.{name} must be {str(off).lower()}: the launcher does this in "
      "its own way, see docs/reliability.md",
      str(value).lower(),
    )


def _check_clipping(optimizer) -> None:
  """Keras takes no other clipping beside ours of AdamW's norm."""
  config = optimizer.get()
  if getattr(config, "gradient_clip_norm", 0.0) <= 0.0:
    return
  for name in ("clipnorm", "clipvalue", "global_clipnorm"):
    value = getattr(config, name, None)
    path = f"trainer.optimizer_config.optimizer.{optimizer.type}"
    errors.require(
      value is None,
      f"{path}.{name} must be unset unless {path}.gradient_clip_norm is 0",
      value,
    )
