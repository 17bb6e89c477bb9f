# SPDX-License-Identifier: Apache-2.0
"""The list of networks."""

from collections.abc import Collection

from token_dropping.models import network_config
from token_dropping.models.bert import encoder_config as bert
from token_dropping.models.gpt import config as gpt
from token_dropping.models.modernbert import config as modernbert
from token_dropping.models.modernbert import (
  decoder_config as modernbert_decoder,
)
from token_dropping.models.transformer import config as transformer

# One that has all fields of another stands before it.
CONFIGS = (
  bert.TokenDropEncoderConfig,
  modernbert_decoder.ModernBertDecoderConfig,
  modernbert.ModernBertConfig,
  gpt.GptConfig,
  transformer.TransformerConfig,
)


def config_of(fields: Collection[str]) -> type[network_config.NetworkConfig]:
  """Returns the config that has such fields; BERT's where none tells it."""
  own = (config for config in CONFIGS if config.own_field in fields)
  return next(own, CONFIGS[0])
