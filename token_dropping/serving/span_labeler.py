# SPDX-License-Identifier: Apache-2.0
"""A fine-tuned span model: where does the answer begin and end?"""

from token_dropping.serving import head


class SpanLabeler(head.Head):
  """Gives `start_logits` and `end_logits` [B, S].

  A request of text is a `question` and a `context`. Probabilities are over the
  positions that are no padding.
  """

  text_fields = ("question", "context")

  def build_network(self, run):
    return run.build_span_labeler()

  def outputs(self, inputs):
    start, end = self._network(inputs)
    mask = inputs["input_mask"]
    return self.scores("start", start, mask) | self.scores("end", end, mask)
