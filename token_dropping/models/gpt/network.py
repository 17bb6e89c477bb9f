# SPDX-License-Identifier: Apache-2.0
"""GPT-2 (Radford et al., 2019), as `transformers` has it."""

import dataclasses
import math

import tensorflow as tf
import tf_keras
from official.modeling.hyperparams import base_config
from official.nlp.modeling import layers

from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models import activations
from token_dropping.models import attention_masks
from token_dropping.models import pre_norm_network
from token_dropping.models import shared_rows
from token_dropping.models.gpt import block


@dataclasses.dataclass
class GptSizes(base_config.Config):
  """The fields of the network; the defaults are those of GPT-2's smallest.

  Attributes:
    intermediate_size: F, inside the feed-forward.
    hidden_activation: of the feed-forward; `gelu` is its tanh form, `gelu_new`
      of `transformers`.
    max_position_embeddings: rows of the table of positions, the largest length.
    layer_norm_epsilon: what norms add to the variance.
    initializer_range: standard deviation of the initial weights; where a block
      ends, it is divided by `sqrt(2 num_layers)`.
    dropout_rate: of the embeddings and of what a block adds.
    attention_dropout_rate: of the attention weights.
  """

  vocab_size: int = 50257
  hidden_size: int = 768
  num_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_activation: str = "gelu"
  max_position_embeddings: int = 1024
  layer_norm_epsilon: float = 1e-5
  initializer_range: float = 0.02
  dropout_rate: float = 0.0
  attention_dropout_rate: float = 0.0


FIELDS = tuple(field.name for field in dataclasses.fields(GptSizes))


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class Gpt(pre_norm_network.PreNormNetwork):
  """The network; `kwargs` are the fields of `GptSizes`.

  A token sees itself and those before it, hence no padding at the end. Inputs
  are `input_word_ids`, int [B, S], and optionally `document_ids`, int [B, S]:
  different documents do not see one another. Outputs are `sequence_output`
  [B, S, D], normalized, and `encoder_outputs`, L times [B, S, D].

  >>> network = Gpt(vocab_size=200, hidden_size=8, num_layers=2,
  ...               num_attention_heads=2, intermediate_size=16)
  >>> outputs = network({"input_word_ids": tf.ones([2, 6], tf.int32)})
  >>> outputs["sequence_output"].shape
  TensorShape([2, 6, 8])
  """

  def __init__(self, **kwargs):
    sizes = {name: kwargs.pop(name) for name in FIELDS if name in kwargs}
    super().__init__(**kwargs)
    self._sizes = sizes = GptSizes(**sizes)
    self._embedding_layer = layers.OnDeviceEmbedding(
      vocab_size=sizes.vocab_size,
      embedding_width=sizes.hidden_size,
      initializer=_initializer(sizes),
      name="word_embeddings",
    )
    self._position_embedding_layer = layers.PositionEmbedding(
      max_length=sizes.max_position_embeddings,
      initializer=_initializer(sizes),
      name="position_embedding",
    )
    self._embedding_dropout = tf_keras.layers.Dropout(sizes.dropout_rate)
    self._transformer_layers = [
      _make_layer(sizes, index) for index in range(sizes.num_layers)
    ]
    # Optimizers know by its name that it does not decay.
    self._final_norm_layer = tf_keras.layers.LayerNormalization(
      epsilon=sizes.layer_norm_epsilon,
      dtype=tf.float32,
      name="final_layer_norm",
    )
    self.inputs = {"input_word_ids": tf_keras.Input([None], dtype=tf.int32)}

  def _embed(self, inputs: dict) -> tokens_lib.Tokens:
    ids = inputs["input_word_ids"]
    words = self._embedding_layer(ids)
    positions = self._position_embedding_layer(words[:1])
    states = self._embedding_dropout(shared_rows.add(words, positions))
    return tokens_lib.Tokens.of_sequence(
      states, ids=ids, documents=inputs.get("document_ids")
    )

  def embed_at(self, ids: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """Returns the states [B, Q, D] of ids [B, Q] at positions [B, Q]."""
    table = self._position_embedding_layer.weights[0]
    words = self._embedding_layer(ids)
    return words + tf.cast(tf.gather(table, positions), words.dtype)

  def _run(self, layer, states: list, queries, keys) -> tf.Tensor:
    seen = attention_masks.seen(queries, keys, is_causal=True)
    return layer([*states, seen])


def _initializer(sizes: GptSizes) -> tf_keras.initializers.Initializer:
  return tf_keras.initializers.TruncatedNormal(stddev=sizes.initializer_range)


def _make_layer(sizes: GptSizes, index: int) -> block.Block:
  return block.Block(
    num_attention_heads=sizes.num_attention_heads,
    inner_dim=sizes.intermediate_size,
    inner_activation=activations.get(sizes.hidden_activation),
    norm_epsilon=sizes.layer_norm_epsilon,
    output_dropout=sizes.dropout_rate,
    attention_dropout=sizes.attention_dropout_rate,
    stddev=sizes.initializer_range,
    end_stddev=sizes.initializer_range / math.sqrt(2 * sizes.num_layers),
    name=f"transformer/layer_{index}",
  )
