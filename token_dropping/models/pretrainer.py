# SPDX-License-Identifier: Apache-2.0
"""The pretraining model: encoder, masked-LM head, sentence heads."""

import tf_keras
from official.nlp.modeling import models

from token_dropping.models import network_config


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class TokenDropPretrainer(models.BertPretrainerV2):
  """Model Garden's `BertPretrainerV2`, whose checkpoints hold the importance.

  It and what else is beside the encoder are saved so: of BERT, a final norm.
  """

  def call(self, inputs: dict, training: bool | None = None, plan=None) -> dict:
    """Returns the encoder's outputs, `mlm_logits` [B, P, V], and the heads'."""
    outputs = self.encoder_network(inputs, training=training, plan=plan)
    states = outputs["sequence_output"]
    if "masked_lm_positions" in inputs:
      outputs["mlm_logits"] = self.masked_lm(
        states, masked_positions=inputs["masked_lm_positions"]
      )
    for head in self.classification_heads:
      head_outputs = head(states)
      if not isinstance(head_outputs, dict):
        head_outputs = {head.name: head_outputs}
      outputs |= head_outputs
    return outputs

  @property
  def checkpoint_items(self) -> dict:
    """What to checkpoint beside the model, by name."""
    encoder = self.encoder_network
    items = super().checkpoint_items | network_config.beside(encoder)
    return items | {"importance": encoder.importance_scorer}
