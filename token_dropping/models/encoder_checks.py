# SPDX-License-Identifier: Apache-2.0
"""Are the fields of a token-dropping encoder consistent?"""

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping.importance import importance_scorer
from token_dropping.dropping.importance import importance_table
from token_dropping.dropping.importance import importance_types
from token_dropping.dropping.importance import token_scorer
from token_dropping.models import encoder_config

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
    token_scorer.check_id_lists(config.vocab_size, *lists)
    importance_scorer.check_beta(config.token_loss_beta)
    importance_types.check(config.importance, config.drop.type)
    _check_table(config)
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


def _check_table(config: encoder_config.TokenDropEncoderConfig) -> None:
  """Compares a table of importance, if any, with type and vocabulary."""
  path = config.importance.table_file
  if not path:
    return
  table = importance_table.ImportanceTable.read(path)
  kind = importance_types.resolve(config.importance.type, config.drop.type)
  table.check_kind(kind, path)
  table.padded_scores(config.vocab_size, path)
  if config.vocab_file:
    words = vocabulary.Vocabulary.from_file(config.vocab_file)
    table.check_vocabulary(words, path)
