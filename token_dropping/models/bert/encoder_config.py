# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of `TokenDropEncoder`, bound to Model Garden's `any`."""

import dataclasses

import tf_keras
from official.nlp.configs import encoders
from official.nlp.modeling import networks

from token_dropping.common import errors
from token_dropping.models import activations
from token_dropping.models import network_config
from token_dropping.models.bert import encoder
from token_dropping.models.bert import final_norm


@dataclasses.dataclass
class TokenDropEncoderConfig(
  network_config.NetworkConfig, encoders.BertEncoderConfig
):
  """Model Garden's BERT fields and those of token dropping.

  Attributes:
    final_norm: whether the states end with a LayerNorm, as they should in a
      network with `norm_first`, and only there. `None` means the same.
  """

  network = "bert"
  own_field = "type_vocab_size"

  final_norm: bool | None = None

  @property
  def has_final_norm(self) -> bool:
    return final_norm.resolve(self.final_norm, self.norm_first)

  def build(self, drop_in_training: bool = False) -> encoder.TokenDropEncoder:
    return encoder.TokenDropEncoder(
      **self._bert_arguments(),
      output_range=self.output_range,
      return_attention_scores=self.return_attention_scores,
      return_word_embeddings=self.return_word_embeddings,
      final_norm=self.final_norm,
      drop_in_training=drop_in_training,
      **self.dropping_fields(),
    )

  def build_plain(self) -> networks.BertEncoderV2:
    if self.has_final_norm:
      bert = final_norm.FinalNormBert(**self._bert_arguments())
    else:
      bert = networks.BertEncoderV2(**self._bert_arguments())
    bert(bert.inputs)  # makes the weights
    return bert

  def check(self) -> None:
    super().check()
    final_norm.resolve(self.final_norm, self.norm_first)

  def check_pretraining(self, seq_length: int) -> None:
    del seq_length
    rule = "output_range must be unset: the loss reads positions beyond it"
    errors.require(self.output_range is None, rule, self.output_range)

  def complete(self) -> None:
    """A run from before there was a final norm has none."""
    if self.norm_first:
      self.final_norm = bool(self.final_norm)

  def count_weights(self) -> int:
    return count_weights(self)

  def _bert_arguments(self) -> dict:
    """Returns the arguments of `BertEncoderV2` that shape the network."""
    return {
      "vocab_size": self.vocab_size,
      "hidden_size": self.hidden_size,
      "num_layers": self.num_layers,
      "num_attention_heads": self.num_attention_heads,
      "inner_dim": self.intermediate_size,
      "inner_activation": activations.get(self.hidden_activation),
      "output_dropout": self.dropout_rate,
      "attention_dropout": self.attention_dropout_rate,
      "max_sequence_length": self.max_position_embeddings,
      "type_vocab_size": self.type_vocab_size,
      "initializer": tf_keras.initializers.TruncatedNormal(
        stddev=self.initializer_range
      ),
      "embedding_width": self.embedding_size,
      "norm_first": self.norm_first,
    }


def count_weights(sizes: encoders.BertEncoderConfig) -> int:
  """Returns what `NetworkConfig.count_weights` does, of Model Garden's too."""
  width = sizes.hidden_size
  vectors = sizes.vocab_size + sizes.type_vocab_size
  vectors += sizes.max_position_embeddings
  layer = 4 * width**2 + 2 * width * sizes.intermediate_size
  return vectors * (sizes.embedding_size or width) + sizes.num_layers * layer
