# SPDX-License-Identifier: Apache-2.0
"""Multiply-adds of GPT-2, as its program makes them."""

import dataclasses

from token_dropping.models import multiply_adds


@dataclasses.dataclass(frozen=True)
class GptShape(multiply_adds.BertShape):
  """The sizes that decide what GPT-2 costs.

  Layers cost what BERT's do: what a token does not see is computed, and hidden.
  The head on P positions costs `P D V`.

  >>> small = GptShape(12, 768, 3072, 50257, seq_length=1024, predictions=1024)
  >>> round(multiply_adds.dense_macs(small) / 1e9, 1)
  145.8
  """

  name = "GPT"

  @property
  def last_queries(self) -> int:
    return self.predictions

  def head_macs(self) -> int:
    return self.predictions * self.hidden_size * self.vocab_size
