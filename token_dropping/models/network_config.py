# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of a network, which answer for it: nobody asks which it is.

Tasks, training, serving and conversions get a network, its heads and its cost
from the config that stands under Model Garden's `task.model.encoder.any`.
"""

import abc
import dataclasses

import tf_keras
from official.core import config_definitions as cfg
from official.modeling import tf_utils
from official.modeling.hyperparams import base_config
from official.nlp.modeling import models

from token_dropping.common import errors
from token_dropping.dropping import config as dropping_config
from token_dropping.models import multiply_adds
from token_dropping.models import span_labeler


@dataclasses.dataclass
class NetworkConfig(dropping_config.DroppingConfig, abc.ABC):
  """A network's fields, beside those of dropping; networks inherit it.

  A subclass adds Model Garden's names of sizes: `vocab_size`, `hidden_size`,
  `num_layers`, `num_attention_heads`, `intermediate_size`,
  `max_position_embeddings`, `initializer_range`. `network` is its short name,
  with which the names of its experiments begin; `own_field` a field that no
  other network has but those made of it; `has_pooler` says whether
  `pooled_output` has weights, `fuses_attention` whether its attention can be
  fused, and `fuses_documents` whether documents are kept apart where it is.
  One that `reads` no text with masks is not fine-tuned here, and has no
  masked-LM head.
  """

  network = ""
  own_field = ""
  has_pooler = True
  fuses_attention = True
  fuses_documents = True

  @abc.abstractmethod
  def build(self, drop_in_training: bool = False) -> tf_keras.layers.Layer:
    """Builds the encoder that drops in pretraining calls.

    Its inputs and outputs are those of `TokenDropEncoder`; with
    `drop_in_training`, to fine-tune, it drops in every call of training.
    """

  @abc.abstractmethod
  def build_plain(self) -> tf_keras.layers.Layer:
    """Builds the same network, with its weights made, which never drops."""

  def build_pretrainer(
    self,
    model_class: type[models.BertPretrainerV2],
    encoder: tf_keras.layers.Layer,
    activation: str,
    initializer: str | tf_keras.initializers.Initializer = "glorot_uniform",
    **kwargs,
  ) -> models.BertPretrainerV2:
    """Puts the masked-LM head, here Model Garden's, on an encoder.

    `activation` and `initializer` are the head's, `kwargs` further arguments
    of the class.
    """
    return model_class(
      encoder_network=encoder,
      mlm_activation=tf_utils.get_activation(activation),
      mlm_initializer=initializer,
      **kwargs,
    )

  def build_classifier(
    self,
    model_class: type[models.BertClassifier],
    encoder: tf_keras.layers.Layer,
    num_classes: int,
    use_encoder_pooler: bool,
    initializer: str | tf_keras.initializers.Initializer = "glorot_uniform",
  ) -> models.BertClassifier:
    """Puts a head for classes, here Model Garden's, on an encoder."""
    return model_class(
      encoder,
      num_classes=num_classes,
      use_encoder_pooler=use_encoder_pooler,
      initializer=initializer,
    )

  def build_span_labeler(
    self,
    model_class: type[span_labeler.SpanLabeler],
    encoder: tf_keras.layers.Layer,
    initializer: str | tf_keras.initializers.Initializer = "glorot_uniform",
  ) -> span_labeler.SpanLabeler:
    """Puts a head that finds answers, here Model Garden's, on an encoder."""
    return model_class(encoder, initializer=initializer)

  def check(self) -> None:
    """Refuses sizes that do not fit each other: a `UserError` at the field."""
    size, heads = self.hidden_size, self.num_attention_heads
    rule = f"hidden_size must be a multiple of num_attention_heads ({heads})"
    errors.require(size % heads == 0, rule, size)

  def check_pretraining(self, seq_length: int) -> None:
    """Refuses what cannot be meant where records of a length are learnt from.

    The `UserError` begins with the field.
    """

  def complete(self) -> None:
    """Sets what the `params.yaml` of an earlier version does not say."""

  @abc.abstractmethod
  def count_weights(self) -> int:
    """Returns how many numbers the matrices of embeddings and layers have."""

  def shape(self, data: cfg.DataConfig) -> multiply_adds.Shape:
    """Returns the sizes that decide what a pass over such records costs."""
    return multiply_adds.BertShape.from_config(self, data)


@base_config.bind(NetworkConfig)
def build(config: NetworkConfig) -> tf_keras.layers.Layer:
  """Builds what Model Garden's `encoder: {type: any}` stands for."""
  return config.build()


def beside(encoder: tf_keras.layers.Layer) -> dict:
  """Returns what a checkpoint has beside an encoder, by name."""
  return getattr(encoder, "checkpoint_items", {})
