# SPDX-License-Identifier: Apache-2.0
"""The model that predicts the next token."""

import tensorflow as tf
import tf_keras

from token_dropping.models import pre_norm_network
from token_dropping.models.causal import dropping_decoder


class LanguageModel(tf_keras.Model):
  """A causal network and its tied output, the table of embeddings.

  A `head` makes logits with that table and weights of its own; without one the
  table is all. Checkpoints hold the network as `encoder`, as those of other
  networks do, and what is beside it: `lm_head` and, of one that drops, the
  importance.
  """

  def __init__(
    self,
    network: pre_norm_network.PreNormNetwork,
    head: tf_keras.layers.Layer | None = None,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.encoder_network = network
    self.head = head

  def call(self, inputs: dict, training: bool | None = None, **more) -> dict:
    """Returns the network's outputs and `logits`, [B, S, V].

    They are [B, R, V] where a call of training has `loss_positions`, and of the
    K tokens that stayed, [B, K, V], where its `plan` reads them.
    """
    outputs = self.encoder_network(inputs, training=training, **more)
    positions = inputs.get("loss_positions") if training else None
    plan, states = more.get("plan"), outputs["sequence_output"]
    if plan is not None and plan.reads_kept:
      positions = outputs["kept_positions"]
    if positions is not None:
      states = tf.gather(states, positions, batch_dims=1)
    return outputs | {"logits": self.logits(states)}

  def logits(self, states: tf.Tensor) -> tf.Tensor:
    """Returns what states [B, T, D] of the network say, [B, T, V]."""
    if self.head is not None:
      return self.head(states)
    table = self.encoder_network.get_embedding_table()
    return tf.matmul(states, tf.cast(table, states.dtype), transpose_b=True)

  @property
  def checkpoint_items(self) -> dict:
    """What to checkpoint beside the model, by name."""
    items = {"encoder": self.encoder_network}
    if self.head is not None:
      items["lm_head"] = self.head
    if isinstance(self.encoder_network, dropping_decoder.DroppingDecoder):
      items["importance"] = self.encoder_network.importance_scorer
    return items
