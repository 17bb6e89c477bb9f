# SPDX-License-Identifier: Apache-2.0
"""Model Garden's encoder of sources, of which some tokens skip layers."""

import tensorflow as tf
import tf_keras
from official.nlp.modeling import models

from token_dropping.dropping import config as dropping_config
from token_dropping.dropping import stack
from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models import attention_masks
from token_dropping.models import dropping_encoder


class PackedSide(dropping_encoder.DroppingEncoder):
  """A side of a translation: called with what `tokens_of` takes, it drops."""

  def _is_pretraining(self, inputs: dict) -> bool:
    return True

  def _read(self, inputs: dict, length: int | None) -> None:
    return None  # the decoder sees all sources, and all targets have a loss

  def _fix_length(self) -> None:
    return  # it has no symbolic inputs

  def _embed(self, inputs: dict) -> tokens_lib.Tokens:
    return tokens_of(inputs)


class WithoutWords(tf_keras.layers.Layer):
  """Keeps the size of a vocabulary from stacks that have no embeddings."""

  def __init__(self, vocab_size: int, **kwargs):
    super().__init__(**kwargs)
    self._vocab_size = vocab_size

  def get_config(self):
    return super().get_config() | {"vocab_size": self._vocab_size}


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class SourceEncoder(PackedSide, WithoutWords, models.TransformerEncoder):
  """Model Garden's `TransformerEncoder` with token dropping.

  Called with a dictionary, that of `tokens_of`, it drops tokens in training,
  and returns what other encoders that drop do. Called with states [B, S, D] and
  `attention_mask`, it is Model Garden's, and drops nothing.
  """

  _config_class = dropping_config.SourceDroppingConfig

  def call(self, inputs, attention_mask=None, training=None, plan=None):
    if isinstance(inputs, dict):
      return super().call(inputs, training=training, plan=plan)
    return models.TransformerEncoder.call(self, inputs, attention_mask)

  def run_layer(self, index, queries, keys=None) -> tf.Tensor:
    """See `LayerStack`; the states of the last layer are normalized."""
    inputs = [queries.states] if keys is None else [queries.states, keys.states]
    inputs.append(attention_masks.seen(queries, keys or queries))
    states = self.encoder_layers[index](inputs)
    if index < self.num_layers - 1:
      return states
    return tf.cast(self.output_normalization(states), states.dtype)

  def _make_stack(self, inputs: dict) -> stack.LayerStack:
    return self

  def _make_outputs(self, layers, tokens, encoder_outputs: list) -> dict:
    return {
      "sequence_output": encoder_outputs[-1],
      "encoder_outputs": encoder_outputs,
    }


def tokens_of(inputs: dict) -> tokens_lib.Tokens:
  """Returns tokens of packed sentences.

  `states` are [B, S, D]; `ids`, by which they are chosen, and `documents`, the
  numbers of their pairs, 0 at padding, are int [B, S].
  """
  documents = inputs["documents"]
  return tokens_lib.Tokens.of_sequence(
    inputs["states"],
    ids=inputs["ids"],
    documents=documents,
    mask=documents != 0,
  )
