# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of `TokenDropEncoder`, bound to Model Garden's `any`."""

import dataclasses
import math

import tf_keras
from official.core import config_definitions as cfg
from official.modeling.hyperparams import base_config
from official.nlp.configs import encoders
from official.nlp.modeling import networks

from token_dropping.common import errors
from token_dropping.dropping import config as dropping_config
from token_dropping.models import activations
from token_dropping.models import encoder
from token_dropping.models import final_norm


@dataclasses.dataclass
class TokenDropEncoderConfig(
  dropping_config.DroppingConfig, encoders.BertEncoderConfig
):
  """Model Garden's BERT fields and those of token dropping.

  Attributes:
    final_norm: whether the states end with a LayerNorm, as they should in a
      network with `norm_first`, and only there. `None` means the same.
  """

  final_norm: bool | None = None

  @property
  def has_final_norm(self) -> bool:
    return final_norm.resolve(self.final_norm, self.norm_first)


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
  """Refuses another encoder, sizes that do not fit, dropping and id lists."""
  kind, config = task.model.encoder.type, task.model.encoder.any
  rule = "task.model.encoder.type must be any"
  errors.require(kind == "any", rule, repr(kind))
  check_sizes(task)
  path = "task.model.encoder.any"
  size, heads = config.hidden_size, config.num_attention_heads
  rule = f"hidden_size must be a multiple of num_attention_heads ({heads})"
  errors.require(size % heads == 0, f"{path}.{rule}", size)
  try:
    config.drop_plan.keep_counts(task.train_data.seq_length)
    config.make_scorer(config.vocab_size)
    final_norm.resolve(config.final_norm, config.norm_first)
  except ValueError as error:
    raise errors.UserError(f"{path}: {error}") from error


@base_config.bind(TokenDropEncoderConfig)
def build_encoder(
  config: TokenDropEncoderConfig, drop_in_training: bool = False
) -> encoder.TokenDropEncoder:
  """Builds the encoder; `drop_in_training` is true for fine-tuning."""
  return encoder.TokenDropEncoder(
    **_bert_arguments(config),
    output_range=config.output_range,
    return_attention_scores=config.return_attention_scores,
    return_word_embeddings=config.return_word_embeddings,
    final_norm=config.final_norm,
    drop_in_training=drop_in_training,
    **config.dropping_fields(),
  )


def build_bert(config: encoders.BertEncoderConfig) -> networks.BertEncoderV2:
  """Builds the ordinary BERT of the same weights: nothing drops."""
  arguments = _bert_arguments(config)
  if getattr(config, "has_final_norm", False):
    bert = final_norm.FinalNormBert(**arguments)
  else:
    bert = networks.BertEncoderV2(**arguments)
  bert(bert.inputs)  # makes the weights
  return bert


def _bert_arguments(config: encoders.BertEncoderConfig) -> dict:
  """Returns the arguments of `BertEncoderV2` that shape the network."""
  return {
    "vocab_size": config.vocab_size,
    "hidden_size": config.hidden_size,
    "num_layers": config.num_layers,
    "num_attention_heads": config.num_attention_heads,
    "inner_dim": config.intermediate_size,
    "inner_activation": activations.get(config.hidden_activation),
    "output_dropout": config.dropout_rate,
    "attention_dropout": config.attention_dropout_rate,
    "max_sequence_length": config.max_position_embeddings,
    "type_vocab_size": config.type_vocab_size,
    "initializer": tf_keras.initializers.TruncatedNormal(
      stddev=config.initializer_range
    ),
    "embedding_width": config.embedding_size,
    "norm_first": config.norm_first,
  }
