# SPDX-License-Identifier: Apache-2.0
"""Multiply-adds of the Transformer, as its program makes them."""

import dataclasses

from token_dropping.dropping import drop_plan
from token_dropping.models import multiply_adds


@dataclasses.dataclass(frozen=True)
class TransformerShape(multiply_adds.BertShape):
  """The sizes that decide what a sequence of pairs costs.

  Encoder layers cost what BERT's do. A decoder layer with Q of T positions as
  queries and S of the source costs as much, and for cross-attention
  `2 Q D^2 + 2 S D^2 + 2 Q S D`; the output `T D V`. What stands after the
  encoder counts as its head. `decoder_plan` says what the decoder drops.

  >>> whole = drop_plan.DropPlan(6, (), 5)
  >>> base = TransformerShape(6, 512, 2048, 32000, seq_length=512,
  ...   predictions=512, target_length=512, decoder_plan=whole)
  >>> round(multiply_adds.dense_macs(base) / 1e9, 1)
  35.8
  """

  name = "Transformer"

  target_length: int  # T
  decoder_plan: drop_plan.DropPlan

  @property
  def last_queries(self) -> int:
    return self.seq_length

  def head_macs(self) -> int:
    length, width = self.target_length, self.hidden_size
    sizes = [*self.decoder_plan.layer_sizes(length), (length, length)]
    layers = (
      self.layer_macs(queries, keys) + self._cross_attention_macs(queries)
      for queries, keys in sizes
    )
    return sum(layers) + length * width * self.vocab_size

  def _cross_attention_macs(self, queries: int) -> int:
    width, keys = self.hidden_size, self.seq_length
    return 2 * (queries + keys) * width**2 + 2 * queries * keys * width
