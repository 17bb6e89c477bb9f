# SPDX-License-Identifier: Apache-2.0
"""The pretraining model: encoder, masked-LM head, sentence heads."""

import tf_keras
from official.nlp.modeling import models


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class TokenDropPretrainer(models.BertPretrainerV2):
  """Model Garden's `BertPretrainerV2`, whose checkpoints hold the importance.

  The table is saved beside the encoder, under `importance`, so that the encoder
  in the checkpoint is an ordinary BERT.

  Args:
    encoder_network: a `TokenDropEncoder`.
    **kwargs: of `BertPretrainerV2`.
  """

  def __init__(self, encoder_network, **kwargs):
    # The call that makes the weights has inputs of unknown length.
    with encoder_network.following(
      encoder_network.drop_plan, at_inference=False
    ):
      super().__init__(encoder_network=encoder_network, **kwargs)

  @property
  def checkpoint_items(self) -> dict:
    """What to checkpoint beside the model, by name."""
    scorer = self.encoder_network.importance_scorer
    return super().checkpoint_items | {"importance": scorer}
