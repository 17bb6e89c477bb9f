# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of the Transformer, bound to Model Garden's `any`."""

import dataclasses

from official.core import config_definitions as cfg
from official.nlp.modeling import models

from token_dropping.common import errors
from token_dropping.dropping import config as dropping_config
from token_dropping.models import network_config
from token_dropping.models.transformer import network as network_lib
from token_dropping.models.transformer import shape as shape_lib


@dataclasses.dataclass
class DecoderDroppingConfig(dropping_config.CausalDroppingConfig):
  """What is dropped in the decoder: nothing, unless it is told."""

  token_keep_ratio: float | None = 1.0


@dataclasses.dataclass
class TransformerConfig(
  dropping_config.SourceDroppingConfig,
  network_config.NetworkConfig,
  network_lib.TransformerSizes,
):
  """The fields of `TransformerSizes` and those of dropping in the encoder.

  Attributes:
    decoder_drop: the fields of dropping, of the decoder. It drops in every step
      of training, whatever `keep_schedule` says of the encoder.

  >>> config = TransformerConfig(token_keep_ratio=0.25, drop_layer=1)
  >>> config.drop_plan.keep_counts(512), config.decoder_plan.keep_counts(512)
  ((128,), ())
  """

  network = "wmt_transformer"
  own_field = "num_decoder_layers"
  has_pooler = False
  fuses_attention = False

  decoder_drop: DecoderDroppingConfig = dataclasses.field(
    default_factory=DecoderDroppingConfig
  )

  @property
  def sizes(self) -> network_lib.TransformerSizes:
    """The fields of the network alone."""
    fields = {name: getattr(self, name) for name in network_lib.FIELDS}
    return network_lib.TransformerSizes(**fields)

  @property
  def decoder_plan(self) -> dropping_config.plans.DropPlan:
    """What is dropped where in the decoder."""
    return self.decoder_drop.make_plan(self.num_decoder_layers)

  @property
  def _sides(self) -> list[tuple[str, dropping_config.SourceDroppingConfig]]:
    """The fields of dropping of both sides, and where they are."""
    return [("", self), ("decoder_drop.", self.decoder_drop)]

  def build(self, **decoding) -> network_lib.Transformer:
    """Builds the network that drops in every call of training.

    `decoding` are fields of beam search: `beam_size`, `alpha`,
    `extra_decode_length`.
    """
    return network_lib.make(
      self.sizes,
      self.dropping_fields(),
      self.decoder_drop.dropping_fields(),
      **decoding,
    )

  def build_plain(self, **decoding) -> models.Seq2SeqTransformer:
    """Builds Model Garden's own network; likewise."""
    return network_lib.make_plain(self.sizes, **decoding)

  def check(self) -> None:
    super().check()
    for path, drops in self._sides:
      drops.check_words(path)
    rule = "drop.type must be skip, context or layerwise: means of neighbours "
    rule += "would mix pairs"
    errors.require(self.drop.type != "pool", rule, self.drop.type)

  def check_decoder_drop(self, target_length: int) -> None:
    """Refuses what the decoder cannot drop: a `UserError` at the field."""
    self.decoder_plan.keep_counts(target_length)
    self.decoder_drop.make_scorer(self.vocab_size, self.num_decoder_layers)

  def check_pretraining(self, seq_length: int) -> None:
    del seq_length
    for path, drops in self._sides:
      rule = f"{path}drop_at_inference must be false: translations are made of "
      rule += "whole sentences"
      errors.require(not drops.drop_at_inference, rule, "true")

  def count_weights(self) -> int:
    width = self.hidden_size
    layer = 4 * width**2 + 2 * width * self.intermediate_size
    decoder = self.num_decoder_layers * (layer + 4 * width**2)
    return self.vocab_size * width + self.num_layers * layer + decoder

  def shape(self, data: cfg.DataConfig) -> shape_lib.TransformerShape:
    """Returns the sizes that decide what such records cost, all computed."""
    count = self.num_decoder_layers
    return shape_lib.TransformerShape(
      num_layers=self.num_layers,
      hidden_size=self.hidden_size,
      intermediate_size=self.intermediate_size,
      vocab_size=self.vocab_size,
      seq_length=data.seq_length,
      predictions=data.target_length,
      target_length=data.target_length,
      decoder_plan=dropping_config.plans.DropPlan(count, (), count - 1),
    )
