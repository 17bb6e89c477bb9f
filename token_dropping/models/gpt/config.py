# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of `GptDecoder`, bound to Model Garden's `any`."""

import dataclasses

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.dropping import config as dropping_config
from token_dropping.models import network_config
from token_dropping.models.causal import language_model
from token_dropping.models.gpt import decoder as decoder_lib
from token_dropping.models.gpt import network as network_lib
from token_dropping.models.gpt import shape as shape_lib


@dataclasses.dataclass
class GptConfig(
  dropping_config.CausalDroppingConfig,
  network_config.NetworkConfig,
  network_lib.GptSizes,
):
  """The fields of `GptSizes` and those of token dropping.

  >>> config = GptConfig(token_keep_ratio=0.25, drop_layer=1)
  >>> config.drop_plan.keep_counts(1024)
  (256,)
  """

  network = "gpt"
  own_field = "layer_norm_epsilon"
  has_pooler = False

  @property
  def sizes(self) -> dict:
    """The fields of the network alone."""
    return {name: getattr(self, name) for name in network_lib.FIELDS}

  def build(self) -> decoder_lib.GptDecoder:
    """Builds the decoder that drops in every call of training."""
    return decoder_lib.GptDecoder(**self.sizes, **self.dropping_fields())

  def build_plain(self) -> network_lib.Gpt:
    plain = network_lib.Gpt(**self.sizes)
    plain({"input_word_ids": tf.zeros([1, 1], tf.int32)})  # makes the weights
    return plain

  def build_language_model(
    self, network: network_lib.Gpt
  ) -> language_model.LanguageModel:
    """Puts the tied output on a network."""
    return language_model.LanguageModel(network)

  def check(self) -> None:
    super().check()
    self.check_words()

  def count_weights(self) -> int:
    width = self.hidden_size
    layer = 4 * width**2 + 2 * width * self.intermediate_size
    rows = self.vocab_size + self.max_position_embeddings
    return rows * width + self.num_layers * layer

  def shape(self, data: cfg.DataConfig) -> shape_lib.GptShape:
    return shape_lib.GptShape(
      num_layers=self.num_layers,
      hidden_size=self.hidden_size,
      intermediate_size=self.intermediate_size,
      vocab_size=self.vocab_size,
      seq_length=data.seq_length,
      predictions=data.seq_length,
    )
