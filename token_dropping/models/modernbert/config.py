# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of `ModernBertEncoder`, bound to Model Garden's `any`."""

import dataclasses

import tensorflow as tf
from official.core import config_definitions as cfg
from official.modeling import tf_utils
from official.nlp.modeling import models

from token_dropping.common import errors
from token_dropping.models import network_config
from token_dropping.models import span_labeler
from token_dropping.models.modernbert import encoder as encoder_lib
from token_dropping.models.modernbert import heads
from token_dropping.models.modernbert import masked_lm
from token_dropping.models.modernbert import network as network_lib
from token_dropping.models.modernbert import shape as shape_lib


@dataclasses.dataclass
class ModernBertConfig(
  network_config.NetworkConfig, network_lib.ModernBertSizes
):
  """The fields of `ModernBertSizes` and those of token dropping.

  >>> config = ModernBertConfig(token_keep_ratio=0.25, drop_layer=1)
  >>> config.drop_plan.keep_counts(8192)
  (2048,)
  """

  network = "modernbert"
  own_field = "global_every"
  has_pooler = False
  fuses_documents = False
  type_vocab_size = 2**31 - 1  # segments are not read: any number will do
  plain_class = network_lib.ModernBert
  shape_class = shape_lib.ModernBertShape

  @property
  def sizes(self) -> dict:
    """The fields of the network alone."""
    return {name: getattr(self, name) for name in network_lib.FIELDS}

  def build(
    self, drop_in_training: bool = False
  ) -> encoder_lib.ModernBertEncoder:
    return encoder_lib.ModernBertEncoder(
      **self.sizes, **self.dropping_fields(), drop_in_training=drop_in_training
    )

  def build_plain(self) -> network_lib.ModernBert:
    plain = self.plain_class(**self.sizes)
    _make_weights(plain)
    return plain

  def build_pretrainer(
    self,
    model_class: type[models.BertPretrainerV2],
    encoder: network_lib.ModernBert,
    activation: str,
    initializer="glorot_uniform",
    **kwargs,
  ) -> models.BertPretrainerV2:
    """Puts ModernBERT's masked-LM head on an encoder."""
    head = self._make_lm_head(
      masked_lm.ModernBertMaskedLM, encoder, activation, initializer
    )
    return model_class(
      encoder_network=encoder, customized_masked_lm=head, **kwargs
    )

  def build_classifier(
    self,
    model_class: type[models.BertClassifier],
    encoder: network_lib.ModernBert,
    num_classes: int,
    use_encoder_pooler: bool,
    initializer="glorot_uniform",
  ) -> models.BertClassifier:
    """Puts a head on the state of `[CLS]`; nothing drops out before it."""
    head = self._make_head(heads.ClassificationHead, num_classes, initializer)
    return model_class(
      encoder,
      num_classes=num_classes,
      use_encoder_pooler=use_encoder_pooler,
      cls_head=head,
    )

  def build_span_labeler(
    self,
    model_class: type[span_labeler.SpanLabeler],
    encoder: network_lib.ModernBert,
    initializer="glorot_uniform",
  ) -> span_labeler.SpanLabeler:
    head = self._make_head(heads.SpanHead, 2, initializer)
    return model_class(encoder, head)

  def _make_lm_head(
    self,
    head: type[masked_lm.ModernBertMaskedLM],
    network: network_lib.ModernBert,
    activation: str,
    initializer,
  ) -> masked_lm.ModernBertMaskedLM:
    """Makes a head of a network, which has its weights then."""
    _make_weights(network)
    return head(
      network.get_embedding_table(),
      activation=tf_utils.get_activation(activation),
      initializer=initializer,
      norm_eps=self.norm_eps,
      name="cls/predictions",
    )

  def _make_head(
    self, head: type[heads.PredictionHead], num_outputs: int, initializer
  ) -> heads.PredictionHead:
    return head(num_outputs, self.norm_eps, self.dropout_rate, initializer)

  def check(self) -> None:
    super().check()
    heads, window = self.num_attention_heads, self.local_attention
    rule = "hidden_size must be an even multiple of num_attention_heads"
    why = "positions turn the numbers of a head in pairs"
    is_even = self.hidden_size % (2 * heads) == 0
    errors.require(is_even, f"{rule} ({heads}): {why}", self.hidden_size)
    rule = "even: half of it is how far a token sees"
    errors.require(window % 2 == 0, f"local_attention must be {rule}", window)
    encoder_lib.check_drop_type(self.drop.type)

  def check_pretraining(self, seq_length: int) -> None:
    every, layers = self.global_every, self.num_layers
    rule = f"1 more than a multiple of global_every ({every})"
    why = "the last layer, which the loss reads, is then global"
    fits = (layers - 1) % every == 0
    errors.require(fits, f"num_layers must be {rule}: {why}", layers)
    window, most = self.local_attention, f"{seq_length}, the data's seq_length"
    rule = f"local_attention must be at most {most}"
    why = "with a longer window no layer is local"
    errors.require(window <= seq_length, f"{rule}: {why}", window)

  def count_weights(self) -> int:
    width = self.hidden_size
    layer = 4 * width**2 + 3 * width * self.intermediate_size
    return self.vocab_size * width + self.num_layers * layer

  def shape(self, data: cfg.DataConfig) -> shape_lib.ModernBertShape:
    return self.shape_class(
      **self.sizes,
      seq_length=data.seq_length,
      predictions=getattr(data, "max_predictions_per_seq", 0),
    )


def _make_weights(encoder: network_lib.ModernBert) -> None:
  """Makes them by a call with one token, where there are none."""
  if not encoder.built:
    encoder({"input_word_ids": tf.zeros([1, 1], tf.int32)})
