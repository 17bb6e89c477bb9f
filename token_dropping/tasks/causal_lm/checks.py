# SPDX-License-Identifier: Apache-2.0
"""Checks of a causal language model: the first broken rule is a `UserError`."""

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.dropping import selection
from token_dropping.tasks.causal_lm import config as causal_config


def check_loss_positions(task: causal_config.CausalLMConfig) -> None:
  """Refuses a loss where tokens are kept unless these are as good as others."""
  kind = task.loss_positions.type
  if kind != causal_config.KEPT:
    return
  encoder, schedule = task.model.encoder.any, task.keep_schedule
  length = task.train_data.seq_length
  by_lot = (
    encoder.importance_type == "random"
    and encoder.resolved_selection.type == selection.TOP_K
  )
  kept = encoder.drop_plan.keep_counts(length)[-1:]
  for holds, where in (
    (by_lot, "unless random tokens alone stay: others are no fair sample"),
    (encoder.drop.type != "layerwise", "where each layer keeps other tokens"),
    (kept and kept[0] < length, "unless tokens are dropped"),
    (
      not schedule.changes and not schedule.full_interval,
      "where task.keep_schedule changes how many stay",
    ),
  ):
    rule = f"task.loss_positions.type must be all or random {where}"
    errors.require(bool(holds), rule, kind)


def check_source(data: cfg.DataConfig, path: str) -> None:
  """Refuses data that other tasks can read or make up."""
  for name, taken in (
    ("tfds_name", bool(data.tfds_name)),
    ("input_path", data.input_path == "dummy"),
  ):
    rule = f"{path}.{name} must be left for files in {path}.input_path"
    errors.require(not taken, rule, repr(getattr(data, name)))
