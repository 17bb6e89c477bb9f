# SPDX-License-Identifier: Apache-2.0
"""Checks of the encoder in a task's config."""

import math

from official.core import config_definitions as cfg

from token_dropping.common import errors


def check_sizes(task: cfg.TaskConfig) -> None:
  """Refuses sizes of any encoder that do not fit each other or the data."""
  kind, config = task.model.encoder.type, task.model.encoder.get()
  errors.require(bool(kind), "task.model.encoder.type must be set", "null")
  path = f"task.model.encoder.{kind}"
  heads = getattr(config, "num_attention_heads", 1)
  size = getattr(config, "hidden_size", heads)
  rule = f"hidden_size must be at least num_attention_heads ({heads})"
  errors.require(size >= heads, f"{path}.{rule}", size)
  most = getattr(config, "max_position_embeddings", math.inf)
  for name in ("train_data", "validation_data"):
    length = getattr(task, name).seq_length
    rule = f"must be at most {path}.max_position_embeddings ({most})"
    errors.require(length <= most, f"task.{name}.seq_length {rule}", length)


def check_encoder(task: cfg.TaskConfig) -> None:
  """Refuses what is none of our networks, sizes that do not fit, dropping."""
  kind, config = task.model.encoder.type, task.model.encoder.any
  rule = "task.model.encoder.type must be any"
  errors.require(kind == "any", rule, repr(kind))
  check_sizes(task)
  with errors.named("task.model.encoder.any."):
    config.check()
  with errors.named("task.model.encoder.any: "):
    config.drop_plan.keep_counts(task.train_data.seq_length)
    config.make_scorer(config.vocab_size, config.num_layers)
