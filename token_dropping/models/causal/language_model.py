# SPDX-License-Identifier: Apache-2.0
"""The model that predicts the next token."""

import tensorflow as tf
import tf_keras

from token_dropping.models.gpt import decoder as decoder_lib
from token_dropping.models.gpt import network as network_lib


class LanguageModel(tf_keras.Model):
  """A network and its tied output: the table of embeddings, no weights more.

  Checkpoints hold the network as `encoder`, as those of other networks do, and
  what is beside it: of one that drops, the importance.
  """

  def __init__(self, network: network_lib.Gpt, **kwargs):
    super().__init__(**kwargs)
    self.encoder_network = network

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
    """Returns what states [..., D] of the network say, [..., V]."""
    table = self.encoder_network.get_embedding_table()
    return tf.matmul(states, tf.cast(table, states.dtype), transpose_b=True)

  @property
  def checkpoint_items(self) -> dict:
    """What to checkpoint beside the model, by name."""
    items = {"encoder": self.encoder_network}
    if isinstance(self.encoder_network, decoder_lib.GptDecoder):
      items["importance"] = self.encoder_network.importance_scorer
    return items
