# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of `ModernBertDecoder`, bound to Model Garden's `any`."""

import dataclasses

import tf_keras
from official.core import config_definitions as cfg

from token_dropping.dropping import config as dropping_config
from token_dropping.models import activations
from token_dropping.models.causal import language_model
from token_dropping.models.modernbert import config
from token_dropping.models.modernbert import decoder as decoder_lib
from token_dropping.models.modernbert import shape as shape_lib


@dataclasses.dataclass
class ModernBertDecoderConfig(
  dropping_config.CausalDroppingConfig, config.ModernBertConfig
):
  """The fields of `ModernBertConfig`, of which dropping is causal.

  Attributes:
    head_activation: of the matrix before the output.

  >>> config = ModernBertDecoderConfig(token_keep_ratio=0.25, drop_layer=1)
  >>> config.resolved_selection.type
  'top_k'
  """

  network = "modernbert_decoder"
  own_field = "head_activation"
  fuses_attention = False
  plain_class = decoder_lib.CausalModernBert
  shape_class = shape_lib.DecoderShape

  head_activation: str = activations.EXACT_GELU

  def build(self) -> decoder_lib.ModernBertDecoder:
    """Builds the decoder that drops in every call of training."""
    return decoder_lib.ModernBertDecoder(**self.sizes, **self.dropping_fields())

  def build_language_model(
    self, network: decoder_lib.CausalModernBert
  ) -> language_model.LanguageModel:
    """Puts ModernBERT's masked-LM head on every position of a network."""
    head = self._make_lm_head(
      decoder_lib.LanguageModelHead,
      network,
      self.head_activation,
      tf_keras.initializers.TruncatedNormal(stddev=self.initializer_range),
    )
    return language_model.LanguageModel(network, head)

  def check(self) -> None:
    super().check()
    self.check_words()

  def shape(self, data: cfg.DataConfig) -> shape_lib.DecoderShape:
    shape = super().shape(data)
    return dataclasses.replace(shape, predictions=data.seq_length)
