# SPDX-License-Identifier: Apache-2.0
"""The published token dropping, built from the layers that Model Garden ships.

Hou et al., ACL 2022 (https://arxiv.org/abs/2203.13240), section 3, to be
measured against; not for training. Shapes: B sequences, S positions, K kept.
"""

import tensorflow as tf
from official.nlp.modeling import layers
from official.nlp.modeling import networks


class PublishedEncoder(networks.BertEncoderV2):
  """`BertEncoderV2` that drops tokens in every call, and keeps K.

  Layers `0 .. L/2-2` see all tokens; in layer `L/2-1` kept tokens are queries
  over all keys; layers `L/2 .. L-2` see kept tokens; the last one sees all
  again, in their order, which a sort of the positions gives.

  >>> encoder = PublishedEncoder(
  ...   keep=3, vocab_size=20, num_layers=4, hidden_size=8,
  ...   num_attention_heads=2, inner_dim=16)
  >>> ids = tf.ones([2, 6], tf.int32)
  >>> outputs = encoder(dict(
  ...   input_word_ids=ids, input_mask=ids, input_type_ids=0 * ids))
  >>> [states.shape[1] for states in outputs["encoder_outputs"]]
  [6, 3, 3, 6]
  """

  def __init__(self, keep: int, **kwargs):
    super().__init__(**kwargs)
    # The table; `update_token_importance` moves it once a step.
    self.importance = layers.TokenImportanceWithMovingAvg(
      kwargs["vocab_size"], init_importance=10.0, moving_average_beta=0.995
    )
    self.importance(tf.zeros([1, 1], tf.int32))  # makes the table
    self._select = layers.SelectTopK(top_k=keep)

  def call(self, inputs: dict) -> dict:
    mask = inputs["input_mask"]
    scores = self.importance(inputs["input_word_ids"])
    kept, dropped = self._select(scores)  # [B, K], [B, S - K]
    before = self._num_layers // 2 - 1

    outputs = [self._embed(inputs)]
    for layer in self._transformer_layers[:before]:
      outputs.append(self._run(layer, outputs[-1], mask))

    everything = outputs[-1]
    waiting = tf.gather(everything, dropped, batch_dims=1)
    queries = tf.gather(everything, kept, batch_dims=1)  # [B, K, D]
    handover = self._transformer_layers[before]
    outputs.append(self._run(handover, queries, mask, keys=everything))
    kept_mask = tf.gather(mask, kept, batch_dims=1)
    for layer in self._transformer_layers[before + 1 : -1]:
      outputs.append(self._run(layer, outputs[-1], kept_mask))

    order = tf.argsort(tf.concat([kept, dropped], axis=1))
    # Embeddings may be of a shorter type.
    waiting = tf.cast(waiting, outputs[-1].dtype)
    merged = tf.concat([outputs[-1], waiting], axis=1)  # [B, S, D]
    merged = tf.gather(merged, order, batch_dims=1)
    outputs.append(self._run(self._transformer_layers[-1], merged, mask))
    return {
      "sequence_output": outputs[-1],
      "pooled_output": self._pooler_layer(outputs[-1][:, 0]),
      "encoder_outputs": outputs[1:],
    }

  def _embed(self, inputs: dict) -> tf.Tensor:
    embeddings = self._get_embeddings(
      inputs["input_word_ids"], inputs["input_type_ids"], None, None, None
    )
    return self._embedding_dropout(self._embedding_norm_layer(embeddings))

  def _run(self, layer, queries, mask, keys=None) -> tf.Tensor:
    """Runs a layer with a mask of its own, as published."""
    attention_mask = self._attention_mask_layer(queries, mask)
    if keys is None:
      return layer([queries, attention_mask])
    return layer([queries, keys, attention_mask])
