# SPDX-License-Identifier: Apache-2.0
"""BERT whose easy tokens skip the middle layers while it is pretrained.

Shapes as in `stack`.
"""

import tensorflow as tf
import tf_keras

from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models import activations
from token_dropping.models import dropping_encoder
from token_dropping.models import shared_rows
from token_dropping.models.bert import final_norm


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class TokenDropEncoder(
  dropping_encoder.DroppingEncoder, final_norm.FinalNormBert
):
  """Model Garden's `BertEncoderV2` with token dropping.

  Inputs, outputs, weights and checkpoint object names are those of
  `BertEncoderV2`: checkpoints restore both ways with every weight matched. A
  final norm (`FinalNormBert`) is no part of BERT: the pretrainer saves it
  beside the encoder.

  >>> encoder = TokenDropEncoder(
  ...   vocab_size=200, num_layers=4, hidden_size=8, num_attention_heads=2,
  ...   inner_dim=16, token_keep_ratio=0.5)
  >>> ids = tf.ones([2, 6], tf.int32)
  >>> outputs = encoder(dict(
  ...   input_word_ids=ids, input_mask=ids, input_type_ids=0 * ids))
  >>> outputs["sequence_output"].shape
  TensorShape([2, 6, 8])
  """

  def __init__(self, vocab_size: int, num_layers=12, **kwargs):
    # As Model Garden's default, which is a function without a name.
    kwargs.setdefault("inner_activation", activations.gelu)
    super().__init__(vocab_size=vocab_size, num_layers=num_layers, **kwargs)

  @property
  def _longest(self) -> int:
    parts = 2 if self._config["with_dense_inputs"] else 1
    return self._config["max_sequence_length"] // parts

  def _embed(self, inputs: dict) -> tokens_lib.Tokens:
    word_ids = ids = inputs.get("input_word_ids")
    mask = inputs.get("input_mask")
    words = inputs.get("input_word_embeddings")
    if words is None:
      words = self._embedding_layer(word_ids)
    dense = inputs.get("dense_inputs")
    if dense is not None:
      dense_mask = inputs["dense_mask"]
      mask = tf.concat([mask, dense_mask], axis=1)
      if ids is not None:  # else words come as embeddings
        no_ids = tf.fill(tf.shape(dense_mask), tf.cast(-1, ids.dtype))
        ids = tf.concat([ids, no_ids], axis=1)
    embeddings = self._get_embeddings(
      word_ids,
      inputs.get("input_type_ids"),
      words,
      dense,
      inputs.get("dense_type_ids"),
    )
    embeddings = self._embedding_norm_layer(embeddings)
    embeddings = self._embedding_dropout(embeddings)
    if self._embedding_projection is not None:
      embeddings = self._embedding_projection(embeddings)
    return tokens_lib.Tokens.of_sequence(
      embeddings, ids=ids, documents=inputs.get("document_ids"), mask=mask
    )

  def _get_embeddings(self, word_ids, type_ids, words, dense, dense_type_ids):
    """Returns what Model Garden's returns, with another gradient's program."""
    del word_ids  # `words` are theirs
    if dense is not None:
      words = tf.concat([words, dense], axis=1)
      type_ids = tf.concat([type_ids, dense_type_ids], axis=1)
    positions = self._position_embedding_layer(words[:1])
    states = shared_rows.add(words, positions)
    return states + self._type_embedding_layer(type_ids)

  def _make_stack(self, inputs: dict) -> "_BertLayers":
    del inputs
    return _BertLayers(self)

  def _make_outputs(self, layers, tokens, encoder_outputs: list) -> dict:
    outputs = self._finish(encoder_outputs)
    if layers.returns_scores:
      outputs["attention_scores"] = layers.attention_scores
    if self._config["return_word_embeddings"]:
      outputs["word_embeddings"] = tokens.states
    return outputs


class _BertLayers:
  """BERT's layers for one call: a `stack.LayerStack`."""

  def __init__(self, encoder: TokenDropEncoder):
    config = encoder._config
    self.num_layers = config["num_layers"]
    self.returns_scores = config["return_attention_scores"]
    self.attention_scores = []
    self._output_range = config["output_range"]
    self._layers = encoder.transformer_layers
    self._normalize = encoder._normalize

  def run_layer(self, index, queries, keys=None) -> tf.Tensor:
    whole, is_last = keys is None, index == self.num_layers - 1
    output_range = self._output_range if whole and is_last else None
    inputs = [queries.states] if whole else [queries.states, keys.states]
    inputs.append(_attention_mask(queries, queries if whole else keys))
    outputs = self._layers[index](inputs, output_range=output_range)
    if self.returns_scores:
      outputs, scores = outputs
      self.attention_scores.append(scores)
    return self._normalize(outputs) if is_last else outputs


def _attention_mask(queries, keys) -> tf.Tensor | None:
  """Returns who sees whom, [B, Q, N], or [B, 1, N] for all queries alike."""
  dtype, mask = queries.states.dtype, None
  if keys.mask is not None:
    # One row for all queries: attention adds it to every row of its scores.
    mask = tf.cast(keys.mask, dtype)[:, tf.newaxis, :]
  if keys.documents is not None:
    theirs = keys.documents[:, tf.newaxis, :]
    same = tf.cast(queries.documents[:, :, tf.newaxis] == theirs, dtype)
    mask = same if mask is None else same * mask
  return mask
