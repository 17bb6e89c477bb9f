# SPDX-License-Identifier: Apache-2.0
"""What networks normalized before each block share: the way through them."""

import abc

import tensorflow as tf
import tf_keras

from token_dropping.dropping import stack
from token_dropping.dropping import tokens as tokens_lib


class PreNormNetwork(tf_keras.layers.Layer, abc.ABC):
  """A stack of layers with a norm at its end, on embedded tokens.

  A network sets `_sizes`, a config of its fields, `_embedding_layer`,
  `_transformer_layers` and `_final_norm_layer`. Inputs have `input_word_ids`,
  int [B, S]. Outputs are `sequence_output` [B, S, D], normalized, and
  `encoder_outputs`, L times [B, S, D].
  """

  def call(self, inputs: dict) -> dict:
    tokens = self._embed(inputs)
    run = stack.run_layers(self, tokens)
    return self._make_outputs(self, tokens, run.encoder_outputs)

  @abc.abstractmethod
  def _embed(self, inputs: dict) -> tokens_lib.Tokens:
    """Returns what the first layer reads."""

  @abc.abstractmethod
  def _run(self, layer, states: list, queries, keys) -> tf.Tensor:
    """Runs a layer; `states` are those of queries and, if others, keys."""

  def _make_stack(self, inputs: dict) -> stack.LayerStack:
    del inputs
    return self

  @property
  def num_layers(self) -> int:
    return self._sizes.num_layers

  def run_layer(self, index, queries, keys=None) -> tf.Tensor:
    """See `LayerStack`; the states of the last layer are normalized."""
    inputs = [queries.states] if keys is None else [queries.states, keys.states]
    layer = self._transformer_layers[index]
    states = self._run(
      layer, inputs, queries, queries if keys is None else keys
    )
    if index < self.num_layers - 1:
      return states
    return tf.cast(self._final_norm_layer(states), states.dtype)

  def _make_outputs(self, layers, tokens, encoder_outputs: list) -> dict:
    del layers, tokens
    return {
      "sequence_output": encoder_outputs[-1],
      "encoder_outputs": encoder_outputs,
    }

  @property
  def _longest(self) -> int:
    return self._sizes.max_position_embeddings

  @property
  def transformer_layers(self) -> list[tf_keras.layers.Layer]:
    return self._transformer_layers

  def get_embedding_table(self) -> tf.Variable:
    return self._embedding_layer.embeddings

  def get_config(self):
    return super().get_config() | self._sizes.as_dict()
