# SPDX-License-Identifier: Apache-2.0
"""The pretraining model: encoder, masked-LM head, sentence heads."""

import tf_keras
from official.nlp.modeling import models


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class TokenDropPretrainer(models.BertPretrainerV2):
  """Model Garden's `BertPretrainerV2`, whose checkpoints hold the importance.

  The table is saved beside the encoder, a `TokenDropEncoder`, under
  `importance`, so that the encoder in the checkpoint is an ordinary BERT.
  """

  def call(self, inputs: dict, training: bool | None = None, plan=None) -> dict:
    """Encodes token ids as the encoder does, and predicts the masked ones.

    To the encoder's outputs it adds those of the heads by name, and
    `mlm_logits` [B, P, V] where there are `masked_lm_positions`.
    """
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
    scorer = self.encoder_network.importance_scorer
    return super().checkpoint_items | {"importance": scorer}
