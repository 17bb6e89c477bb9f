# SPDX-License-Identifier: Apache-2.0
"""The model that finds an answer in a text, with any network's head."""

import tf_keras
from official.nlp.modeling import models


class SpanLabeler(models.BertSpanLabeler):
  """Model Garden's `BertSpanLabeler`, whose head may be the network's own.

  `head` makes two [B, S] logits, of starts and of ends, of states [B, S, D];
  `None` means Model Garden's. `kwargs` are arguments of `BertSpanLabeler`.
  """

  def __init__(
    self,
    network: tf_keras.layers.Layer,
    head: tf_keras.layers.Layer | None = None,
    **kwargs,
  ):
    if head is None:
      super().__init__(network, **kwargs)
      return
    logits = head(network(network.inputs)["sequence_output"])
    # Not Model Garden's constructor, which would make its own head.
    super(models.BertSpanLabeler, self).__init__(
      inputs=network.inputs, outputs=logits
    )
    self._network = network
    self.span_labeling = head
