# SPDX-License-Identifier: Apache-2.0
"""Are the fields of a token-dropping encoder consistent?"""

from official.core import config_definitions as cfg

from token_dropping import encoder_config
from token_dropping import errors
from token_dropping.layers import importance_scorer

ENCODER_SIZES = (
  "vocab_size",
  "hidden_size",
  "num_layers",
  "num_attention_heads",
  "intermediate_size",
  "max_position_embeddings",
  "type_vocab_size",
)


def check(task: cfg.TaskConfig) -> None:
  """Checks sizes, dropping and id lists, and that the sequences fit.

  Args:
    task: of our own; its encoder is `task.model.encoder.any`.

  Raises:
    UserError: the first rule that is broken, with its dotted path.
  """
  kind = task.model.encoder.type
  errors.require(
    kind == "any", "task.model.encoder.type must be any", repr(kind)
  )
  config = task.model.encoder.any
  path = "task.model.encoder.any"
  for name in ENCODER_SIZES:
    value = getattr(config, name)
    errors.require(value >= 1, f"{path}.{name} must be at least 1", value)
  errors.require(
    config.hidden_size % config.num_attention_heads == 0,
    f"{path}.hidden_size must be a multiple of num_attention_heads "
    f"({config.num_attention_heads})",
    config.hidden_size,
  )
  try:
    plan = encoder_config.get_drop_plan(config)
    plan.keep_counts(task.train_data.seq_length)
    lists = encoder_config.get_id_lists(config)
    importance_scorer.check_id_lists(config.vocab_size, *lists)
    importance_scorer.check_beta(config.token_loss_beta)
  except ValueError as error:
    raise errors.UserError(f"{path}: {error}") from error
  for name in ("train_data", "validation_data"):
    length = getattr(task, name).seq_length
    errors.require(
      length <= config.max_position_embeddings,
      f"task.{name}.seq_length must be at most {path}.max_position_embeddings "
      f"({config.max_position_embeddings})",
      length,
    )
