# SPDX-License-Identifier: Apache-2.0
"""Multiply-adds of one forward pass, with and without token dropping.

A layer with q query and k key positions, width D and feed-forward width F costs
`q * (2 D^2 + 2 D F)` for query, output and feed-forward projections, `2 k D^2`
for keys and values, and `2 q k D` for attention itself. The masked-LM head on P
positions costs `P D^2 + P D V`. A backward pass costs twice the forward pass,
so ratios of forward passes are ratios of training steps.
"""

import dataclasses
from collections.abc import Sequence

from token_dropping import drop_plan
from token_dropping import keep_schedule
from token_dropping.drops import drop_types


@dataclasses.dataclass(frozen=True)
class BertShape:
  """The sizes that decide what BERT costs.

  Attributes:
    num_layers: int, L.
    hidden_size: int, D.
    intermediate_size: int, F.
    vocab_size: int, V.
    seq_length: int, S.
    predictions: int, P.

  Example:

  >>> base = BertShape(12, 768, 3072, 30522, seq_length=512, predictions=76)
  >>> round(bert_macs(base) / 1e9, 1)
  50.1
  """

  num_layers: int
  hidden_size: int
  intermediate_size: int
  vocab_size: int
  seq_length: int
  predictions: int

  def layer_macs(self, queries: int, keys: int) -> int:
    """Multiply-adds of one layer for one sequence."""
    width, inner = self.hidden_size, self.intermediate_size
    per_query = 2 * width**2 + 2 * width * inner
    attention = 2 * queries * keys * width
    return queries * per_query + 2 * keys * width**2 + attention

  def head_macs(self) -> int:
    """Multiply-adds of the masked-LM head for one sequence."""
    width = self.hidden_size
    return self.predictions * (width**2 + width * self.vocab_size)


def bert_macs(shape: BertShape) -> int:
  """Multiply-adds of BERT's forward pass for one sequence."""
  length = shape.seq_length
  return shape.num_layers * shape.layer_macs(length, length) + shape.head_macs()


def token_drop_macs(shape: BertShape, plan: drop_plan.DropPlan) -> int:
  """Multiply-adds of a token-dropping pretraining pass for one sequence.

  Args:
    shape: the network and its input.
    plan: where tokens are dropped and how many stay.

  Returns:
    int; includes that the last layer's queries are computed only where the
    loss reads them.
  """
  length = shape.seq_length
  read = min(length, 1 + shape.predictions)
  return _dropping_macs(shape, plan) + shape.layer_macs(read, length)


def finetuning_macs(shape: BertShape, plan: drop_plan.DropPlan) -> int:
  """Multiply-adds of a pass that drops in fine-tuning, for one sequence.

  Args:
    shape: the network and its input; without predictions.
    plan: where tokens are dropped and how many stay.

  Returns:
    int; the last layer is computed everywhere.
  """
  length = shape.seq_length
  return _dropping_macs(shape, plan) + shape.layer_macs(length, length)


def _dropping_macs(shape: BertShape, plan: drop_plan.DropPlan) -> int:
  """Multiply-adds of head and layers, but for the last layer."""
  length = shape.seq_length
  counts = plan.keep_counts(length)
  kept_from = {
    stage.layer: keep for stage, keep in zip(plan.stages, counts, strict=True)
  }
  num_keys = drop_types.get(plan.drop_type).num_keys
  total, there = shape.head_macs(), length
  for layer in range(shape.num_layers - 1):
    if layer == plan.restore_layer:
      there = length
    queries = kept_from.get(layer, there)
    total += shape.layer_macs(queries, num_keys(length, there, queries))
    there = queries
  return total


def schedule_macs(
  shape: BertShape, phases: Sequence[keep_schedule.Phase], train_steps: int
) -> float:
  """Multiply-adds of a pretraining pass for one sequence, mean over training.

  Args:
    shape: the network and its input.
    phases: of the keep-ratio schedule.
    train_steps: int, length of training.
  """
  ends = [*(phase.first_step for phase in phases[1:]), train_steps]
  total = 0
  for phase, end in zip(phases, ends, strict=True):
    steps = max(0, min(end, train_steps) - phase.first_step)
    total += steps * token_drop_macs(shape, phase.plan)
  return total / train_steps
