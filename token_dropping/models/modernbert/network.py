# SPDX-License-Identifier: Apache-2.0
"""ModernBERT (Warner et al., arXiv 2412.13663), as `transformers` has it."""

import dataclasses
import math

import tensorflow as tf
import tf_keras
from official.modeling.hyperparams import base_config
from official.nlp.modeling import layers

from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models import activations
from token_dropping.models import pre_norm_network
from token_dropping.models.modernbert import attention_layers
from token_dropping.models.modernbert import transformer_layer


@dataclasses.dataclass
class ModernBertSizes(base_config.Config):
  """The fields of the network; the defaults are ModernBERT-base's.

  Attributes:
    intermediate_size: F, inside the feed-forward, whose first matrix is twice
      as wide.
    hidden_activation: of one half of it; the other half is the gate.
    max_position_embeddings: the largest length; there is no table.
    global_every: attention is global in layers 0, `global_every`, ..., else
      local.
    local_attention: the window of local attention: a token sees those at most
      half of it away, before and after. Where it is causal, half of it: itself
      and those before it.
    global_rope_theta: of the rotation in global layers.
    local_rope_theta: of that in local ones.
    norm_eps: what norms add to the variance.
    initializer_range: standard deviation of the initial weights; where a block
      ends, it is divided by `sqrt(2 num_layers)`.
    dropout_rate: of the embeddings and of what a block adds.
    attention_dropout_rate: of the attention weights. Above 0, global attention
      keeps all of them, S^2 a head.
  """

  vocab_size: int = 50368
  hidden_size: int = 768
  num_layers: int = 22
  num_attention_heads: int = 12
  intermediate_size: int = 1152
  hidden_activation: str = activations.EXACT_GELU
  max_position_embeddings: int = 8192
  global_every: int = 3
  local_attention: int = 128
  global_rope_theta: float = 160_000.0
  local_rope_theta: float = 10_000.0
  norm_eps: float = 1e-5
  initializer_range: float = 0.02
  dropout_rate: float = 0.0
  attention_dropout_rate: float = 0.0

  @property
  def stddevs(self) -> tuple[float, float]:
    """Standard deviations of initial weights, inside and at a block's end."""
    deviation = self.initializer_range
    return deviation, deviation / math.sqrt(2 * self.num_layers)

  def is_global(self, layer: int) -> bool:
    """Whether attention is global in a layer, 0-based."""
    return layer % self.global_every == 0

  def distance(self, layer: int) -> int | None:
    """How far a layer's tokens see, in positions; `None`: everywhere."""
    return None if self.is_global(layer) else self.local_attention // 2


FIELDS = tuple(field.name for field in dataclasses.fields(ModernBertSizes))


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class ModernBert(pre_norm_network.PreNormNetwork):
  """The network; `kwargs` are the fields of `ModernBertSizes`.

  Where it `is_causal`, a token sees itself and those before it. It has the
  inputs and outputs of Model Garden's `BertEncoderV2`, but that
  `input_type_ids` are not read, `input_mask` and `document_ids` may be left
  out, and `pooled_output` is the state of the first token, `[CLS]`. Weights do
  not depend on the length.

  >>> network = ModernBert(
  ...   vocab_size=200, hidden_size=8, num_layers=4, num_attention_heads=2,
  ...   intermediate_size=16, local_attention=4)
  >>> outputs = network({"input_word_ids": tf.ones([2, 6], tf.int32)})
  >>> outputs["sequence_output"].shape
  TensorShape([2, 6, 8])
  """

  is_causal = False

  def __init__(self, **kwargs):
    sizes = {name: kwargs.pop(name) for name in FIELDS if name in kwargs}
    super().__init__(**kwargs)
    self._sizes = sizes = ModernBertSizes(**sizes)
    self._embedding_layer = layers.OnDeviceEmbedding(
      vocab_size=sizes.vocab_size,
      embedding_width=sizes.hidden_size,
      initializer=tf_keras.initializers.TruncatedNormal(
        stddev=sizes.initializer_range
      ),
      name="word_embeddings",
    )
    self._embedding_norm_layer = transformer_layer.norm(
      sizes.norm_eps, "embeddings/layer_norm"
    )
    self._embedding_dropout = tf_keras.layers.Dropout(sizes.dropout_rate)
    self._transformer_layers = [
      _make_layer(sizes, index, self.is_causal)
      for index in range(sizes.num_layers)
    ]
    self._final_norm_layer = transformer_layer.norm(
      sizes.norm_eps, "final_layer_norm"
    )
    names = ("input_word_ids", "input_mask", "input_type_ids")
    self.inputs = {
      name: tf_keras.Input([None], dtype=tf.int32) for name in names
    }

  def _embed(self, inputs: dict) -> tokens_lib.Tokens:
    ids = inputs["input_word_ids"]
    return tokens_lib.Tokens.of_sequence(
      self._embedding_dropout(self.embed_at(ids)),
      ids=ids,
      documents=inputs.get("document_ids"),
      mask=inputs.get("input_mask"),
    )

  def embed_at(self, ids: tf.Tensor, positions=None) -> tf.Tensor:
    """Returns the states [B, Q, D] of ids [B, Q], wherever they stand."""
    del positions  # layers turn by them
    return self._embedding_norm_layer(self._embedding_layer(ids))

  def _run(self, layer, states: list, queries, keys) -> tf.Tensor:
    return layer(states, queries, keys)

  def _make_outputs(self, layers, tokens, encoder_outputs: list) -> dict:
    outputs = super()._make_outputs(layers, tokens, encoder_outputs)
    return outputs | {"pooled_output": outputs["sequence_output"][:, 0]}


def _make_layer(sizes: ModernBertSizes, index: int, is_causal: bool):
  common = {
    "num_heads": sizes.num_attention_heads,
    "stddevs": sizes.stddevs,
    "is_causal": is_causal,
    "dropout_rate": sizes.attention_dropout_rate,
    "name": "attention",
  }
  distance = sizes.distance(index)
  if distance is None:
    attention = attention_layers.GlobalAttention(
      theta=sizes.global_rope_theta, **common
    )
  else:
    attention = attention_layers.LocalAttention(
      theta=sizes.local_rope_theta, distance=distance, **common
    )
  feed_forward = transformer_layer.GatedFeedForward(
    sizes.intermediate_size,
    activations.get(sizes.hidden_activation),
    sizes.stddevs,
    name="feed_forward",
  )
  return transformer_layer.TransformerLayer(
    attention,
    feed_forward,
    sizes.norm_eps,
    has_attention_norm=index > 0,  # the embeddings have theirs
    dropout_rate=sizes.dropout_rate,
    name=f"transformer/layer_{index}",
  )
