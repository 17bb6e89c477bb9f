# SPDX-License-Identifier: Apache-2.0
"""Multiply-adds of ModernBERT, as its program makes them."""

import dataclasses

from token_dropping.models import multiply_adds
from token_dropping.models.modernbert import global_attention
from token_dropping.models.modernbert import local_attention
from token_dropping.models.modernbert import network


@dataclasses.dataclass
class ModernBertShape(network.ModernBertSizes):
  """The sizes that decide what ModernBERT costs: a `multiply_adds.Shape`.

  A layer with q query and k key positions, width D and gated feed-forward width
  F costs `q * (2 D^2 + 3 D F)` for query, output and feed-forward projections
  and `2 k D^2` for keys and values. Attention itself is `2 q k D` in a global
  layer, where the last of several chunks of queries is filled up. In a local
  one it is `2 k (3 w) D` for a distance of w, `2 k (2 w) D` in a causal
  network: all places of the keys are computed in blocks of w, filled up,
  whichever of them have queries. The head on P positions costs `P D^2 + P D V`.

  >>> base = ModernBertShape(seq_length=8192, predictions=1228)
  >>> round(multiply_adds.dense_macs(base) / 1e9)
  1810
  """

  name = "ModernBERT"
  is_causal = False

  seq_length: int = 0
  predictions: int = 0

  @property
  def last_queries(self) -> int:
    return multiply_adds.last_queries(self)

  def layer_macs(self, queries: int, keys: int, layer: int) -> int:
    width, inner = self.hidden_size, self.intermediate_size
    per_query = 2 * width**2 + 3 * width * inner
    pairs = self._pairs(queries, keys, layer)
    return queries * per_query + 2 * keys * width**2 + 2 * pairs * width

  def _pairs(self, queries: int, keys: int, layer: int) -> int:
    """Returns how many scores are computed of a head."""
    distance = self.distance(layer)
    if distance is None:
      return _filled(queries, global_attention.chunk_size(queries)) * keys
    size = local_attention.block_size(distance, keys)
    blocks = local_attention.blocks_seen(self.is_causal)
    return _filled(keys, size) * blocks * size

  def head_macs(self) -> int:
    width = self.hidden_size
    return self.predictions * (width**2 + width * self.vocab_size)


@dataclasses.dataclass
class DecoderShape(ModernBertShape):
  """The same of the causal network, whose last layer has P queries.

  >>> base = DecoderShape(seq_length=1024, predictions=1024)
  >>> round(multiply_adds.dense_macs(base) / 1e9)
  169
  """

  is_causal = True

  @property
  def last_queries(self) -> int:
    return self.predictions


def _filled(count: int, size: int) -> int:
  """Returns a count, filled up to a multiple of a size."""
  return -(-count // size) * size
