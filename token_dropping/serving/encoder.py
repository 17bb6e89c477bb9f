# SPDX-License-Identifier: Apache-2.0
"""The encoder alone: a vector for every token and one for the whole."""

from token_dropping.serving import head


class Encoder(head.Head):
  """Gives `sequence_output` [B, S, D] and `pooled_output` [B, D]."""

  has_logits = False

  def build_network(self, run):
    return run.build_encoder()

  def outputs(self, inputs):
    outputs = self._network(inputs)
    return {
      name: outputs[name] for name in ("sequence_output", "pooled_output")
    }
