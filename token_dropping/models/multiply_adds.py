# SPDX-License-Identifier: Apache-2.0
"""Multiply-adds of one forward pass, with and without token dropping.

All are of one sequence. A backward pass costs twice the forward pass, so ratios
of forward passes are those of training steps; what it computes again to save
memory is not counted.
"""

import dataclasses
from typing import Protocol

from token_dropping.dropping import drop_plan
from token_dropping.dropping import step_schedule

PASSES = 3  # of a step, in forward passes: one forward, a backward is two


class Shape(Protocol):
  """The sizes that decide what a network costs."""

  name: str  # of the network, for people
  num_layers: int  # L
  seq_length: int  # S
  predictions: int  # P
  last_queries: int  # of the last layer in pretraining: what the loss reads

  def layer_macs(self, queries: int, keys: int, layer: int) -> int:
    """Multiply-adds of a layer, 0-based, whose queries are among the keys."""

  def head_macs(self) -> int:
    """Multiply-adds of the language model's head at the predictions."""


@dataclasses.dataclass(frozen=True)
class BertShape:
  """The sizes that decide what BERT costs.

  A layer with q query and k key positions, width D and feed-forward width F
  costs `q * (2 D^2 + 2 D F)` for query, output and feed-forward projections,
  `2 k D^2` for keys and values, and `2 q k D` for attention itself; the head on
  P positions `P D^2 + P D V`. With embeddings of another width E it costs
  `P D E + P E V`, and counts with their projection, `S E D`.

  >>> base = BertShape(12, 768, 3072, 30522, seq_length=512, predictions=76)
  >>> round(dense_macs(base) / 1e9, 1)
  50.1
  """

  name = "BERT"

  num_layers: int  # L
  hidden_size: int  # D
  intermediate_size: int  # F
  vocab_size: int  # V
  seq_length: int  # S
  predictions: int  # P
  embedding_size: int | None = dataclasses.field(default=None, kw_only=True)

  @classmethod
  def from_config(cls, encoder, data) -> "BertShape":
    """Without `max_predictions_per_seq` of data there is no masked-LM head."""
    return cls(
      num_layers=encoder.num_layers,
      hidden_size=encoder.hidden_size,
      intermediate_size=encoder.intermediate_size,
      vocab_size=encoder.vocab_size,
      seq_length=data.seq_length,
      predictions=getattr(data, "max_predictions_per_seq", 0),
      embedding_size=getattr(encoder, "embedding_size", None),
    )

  @property
  def last_queries(self) -> int:
    return last_queries(self)

  def layer_macs(self, queries: int, keys: int, layer: int = 0) -> int:
    del layer  # all are alike
    width, inner = self.hidden_size, self.intermediate_size
    per_query = 2 * width**2 + 2 * width * inner
    attention = 2 * queries * keys * width
    return queries * per_query + 2 * keys * width**2 + attention

  def head_macs(self) -> int:
    width, inner = self.hidden_size, self.embedding_size or self.hidden_size
    head = self.predictions * inner * (width + self.vocab_size)
    is_projected = inner != width
    return head + is_projected * self.seq_length * inner * width


def last_queries(shape: Shape) -> int:
  """Returns how many positions a masked LM reads: `[CLS]` and predictions."""
  return min(shape.seq_length, 1 + shape.predictions)


def dense_macs(shape: Shape) -> int:
  """Multiply-adds of a forward pass that drops nothing."""
  sizes = [(shape.seq_length, shape.seq_length)] * shape.num_layers
  return _macs(shape, sizes)


def token_drop_macs(shape: Shape, plan: drop_plan.DropPlan) -> int:
  """Of a pretraining pass: the last layer has queries where the loss reads."""
  return _dropping_macs(shape, plan, shape.last_queries)


def finetuning_macs(shape: Shape, plan: drop_plan.DropPlan) -> int:
  """Of a fine-tuning pass that drops: the last layer is computed everywhere."""
  return _dropping_macs(shape, plan, shape.seq_length)


def _dropping_macs(
  shape: Shape, plan: drop_plan.DropPlan, last_queries: int
) -> int:
  length = shape.seq_length
  return _macs(shape, [*plan.layer_sizes(length), (last_queries, length)])


def _macs(shape: Shape, sizes: list[tuple[int, int]]) -> int:
  """Returns those of the head, and of layers of some queries and keys."""
  layers = (
    shape.layer_macs(queries, keys, layer)
    for layer, (queries, keys) in enumerate(sizes)
  )
  return shape.head_macs() + sum(layers)


def step_macs(shape: Shape, kind: step_schedule.StepKind) -> int:
  """Multiply-adds of the forward passes of a pretraining step."""
  return sum(token_drop_macs(shape, plan) for plan in kind.plans)


def training_macs(
  shape: Shape,
  schedule: step_schedule.StepSchedule,
  steps: int,
  batch_size: int = 1,
) -> int:
  """Multiply-adds of the first `steps` of pretraining, backward passes too.

  >>> base = BertShape(12, 768, 3072, 30522, seq_length=512, predictions=76)
  >>> from token_dropping.dropping import keep_schedule
  >>> plan = drop_plan.DropPlan(12, (drop_plan.Stage(5),), restore_layer=11)
  >>> schedule = step_schedule.StepSchedule((keep_schedule.Phase(0, plan),))
  >>> round(training_macs(base, schedule, steps=1000, batch_size=256) / 1e15, 1)
  26.8
  """
  passes = sum(
    count * step_macs(shape, kind)
    for kind, count in schedule.counts(steps).items()
  )
  return PASSES * batch_size * passes


def mean_macs(
  shape: Shape, schedule: step_schedule.StepSchedule, train_steps: int
) -> float:
  """Multiply-adds of a step's forward passes, on average."""
  return training_macs(shape, schedule, train_steps) / (PASSES * train_steps)
