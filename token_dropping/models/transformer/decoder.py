# SPDX-License-Identifier: Apache-2.0
"""Model Garden's decoder of translations, of which some tokens skip layers.

Shapes as in `stack`; of the source, S tokens.
"""

import tensorflow as tf
import tf_keras
from official.nlp.modeling import layers
from official.nlp.modeling import models

from token_dropping.dropping import config as dropping_config
from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models import attention_masks
from token_dropping.models.transformer import encoder


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class TargetDecoder(
  encoder.PackedSide, encoder.WithoutWords, models.TransformerDecoder
):
  """Model Garden's `TransformerDecoder` with token dropping.

  Called with a dictionary, that of `encoder.tokens_of` and in `memory` that of
  the source, it drops tokens in training, and returns what encoders that drop
  do. `received_attention`, float32 [B, S], is what each token of the source got
  of the attention, in even shares: the mean over heads, over the layers that
  compute all targets and over the targets of its pair, times the length of its
  sentence. Called otherwise, it is Model Garden's, and drops nothing.
  """

  _config_class = dropping_config.CausalDroppingConfig

  def call(self, inputs, memory=None, training=None, plan=None, **kwargs):
    if isinstance(inputs, dict):
      return super().call(inputs, training=training, plan=plan)
    return models.TransformerDecoder.call(self, inputs, memory, **kwargs)

  def _make_stack(self, inputs: dict) -> "_DecoderLayers":
    count = inputs["states"].shape[1]
    return _DecoderLayers(self, encoder.tokens_of(inputs["memory"]), count)

  def _make_outputs(self, layers, tokens, encoder_outputs: list) -> dict:
    received = tf.add_n(layers.received) / len(layers.received)
    return {
      "sequence_output": encoder_outputs[-1],
      "encoder_outputs": encoder_outputs,
      "received_attention": received,
    }


class _DecoderLayers:
  """The layers for one call, which see a source: a `stack.LayerStack`."""

  def __init__(
    self, decoder: TargetDecoder, memory: tokens_lib.Tokens, count: int
  ):
    self.num_layers = decoder.num_layers
    self.received = []  # [B, S] of each layer that computes all targets
    self._layers = decoder.decoder_layers
    self._normalize = decoder.output_normalization
    self._memory = memory
    sentences = tf.cast(attention_masks.seen(memory, memory), tf.float32)
    self._lengths = tf.reduce_sum(sentences, axis=-1)  # [B, S]
    self._count = count

  def run_layer(self, index, queries, keys=None) -> tf.Tensor:
    """See `LayerStack`; the states of the last layer are normalized."""
    block = self._layers[index]
    states, scores, seen = _run_block(block, queries, keys, self._memory)
    if queries.count == self._count:
      received = _received(scores, seen, queries, self._lengths)
      self.received.append(received)
    if index < self.num_layers - 1:
      return states
    return tf.cast(self._normalize(states), states.dtype)


def _run_block(
  block: layers.TransformerDecoderBlock, queries, keys, memory
) -> tuple:
  """Runs a layer whose keys may be others than its queries.

  Model Garden's own call takes one sequence for both. Returns the states
  [B, Q, D], and of the source scores [B, N, Q, S] and who sees whom [B, Q, S].
  """
  keys, dtype = keys or queries, block.compute_dtype
  mask = attention_masks.seen(queries, keys, is_causal=True)
  added, _ = block.self_attention(
    query=block.self_attention_layer_norm(queries.states),
    value=block.self_attention_layer_norm(keys.states),
    attention_mask=mask,
  )
  states = tf.cast(queries.states, dtype)
  states += block.self_attention_dropout(added)
  seen = attention_masks.seen(queries, memory)
  added, scores = block.encdec_attention(
    query=block.encdec_attention_layer_norm(states),
    value=memory.states,
    attention_mask=seen,
    return_attention_scores=True,
  )
  states += block.encdec_attention_dropout(added)
  inner = block.intermediate_dense(block.output_layer_norm(states))
  inner = block.intermediate_activation_layer(inner)
  inner = block._intermediate_dropout_layer(inner)
  states += block.output_dropout(block.output_dense(inner))
  return states, scores, seen


def _received(scores, seen, queries, lengths) -> tf.Tensor:
  """Returns what tokens of the source got of the attention, float32 [B, S]."""
  real = tf.cast(queries.mask, tf.float32)[..., tf.newaxis]
  seen = tf.cast(seen, tf.float32) * real  # [B, Q, S]
  shares = tf.reduce_mean(tf.cast(scores, tf.float32), axis=1) * seen
  total = tf.reduce_sum(shares, axis=1) * lengths
  received = tf.math.divide_no_nan(total, tf.reduce_sum(seen, axis=1))
  return tf.stop_gradient(received)
