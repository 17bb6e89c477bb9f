# SPDX-License-Identifier: Apache-2.0
"""Where tokens leave the network, where they return, and how many stay."""

import dataclasses
import math
from collections.abc import Sequence

from token_dropping.common import errors
from token_dropping.dropping.drops import drop_types

DEFAULT_KEEP_RATIO = 0.5


@dataclasses.dataclass(frozen=True)
class Stage:
  """From this layer on fewer tokens stay: in it only they are queries."""

  layer: int  # 0-based
  keep_ratio: float | None = DEFAULT_KEEP_RATIO  # of the whole sequence
  keep_k: int | None = None  # a count instead; one of both is `None`


@dataclasses.dataclass(frozen=True)
class DropPlan:
  """The stages in which tokens are dropped, and where all of them return.

  The layers before the first stage and from `restore_layer` on see all tokens.

  >>> plan = DropPlan(12, (Stage(layer=5),), restore_layer=11)
  >>> plan.keep_counts(512)
  (256,)
  >>> plan.layer_sizes(512)[4:7]
  [(512, 512), (256, 512), (256, 256)]
  """

  num_layers: int
  stages: tuple[Stage, ...]  # by layer, each keeping fewer; none: nothing drops
  restore_layer: int  # 0-based, above the layers of all stages
  drop_type: str = drop_types.DEFAULT  # one of `drop_types.TYPES`
  slack: float = 1.0  # slots for each token that stays on average
  reads_kept: bool = False  # the last layer has queries where tokens stayed

  def keep_counts(self, seq_length: int) -> tuple[int, ...]:
    """Slots by stage, in which tokens stay, each a query.

    `ValueError` if `token_keep_k` is more than the length.
    """
    counts = (self._keep_count(stage, seq_length) for stage in self.stages)
    return tuple(
      min(seq_length, math.ceil(self.slack * count)) for count in counts
    )

  def _keep_count(self, stage: Stage, seq_length: int) -> int:
    count = stage.keep_k
    if count is None:
      kind = drop_types.get(self.drop_type)
      return kind.keep_count(stage.keep_ratio, seq_length)
    if count > seq_length:  # AutoGraph can only pass on Python's own errors
      rule = f"token_keep_k must be at most the sequence length ({seq_length})"
      raise ValueError(f"{rule}. Received: {count}")
    return count

  def layer_sizes(self, seq_length: int) -> list[tuple[int, int]]:
    """Numbers of queries and keys by layer, but for the last, which varies."""
    counts = self.keep_counts(seq_length)
    layers = (stage.layer for stage in self.stages)
    kept_from = dict(zip(layers, counts, strict=True))
    num_keys = drop_types.get(self.drop_type).num_keys
    sizes, there = [], seq_length
    for layer in range(self.num_layers - 1):
      if layer == self.restore_layer:
        there = seq_length
      queries = kept_from.get(layer, there)
      sizes.append((queries, num_keys(seq_length, there, queries)))
      there = queries
    return sizes

  @property
  def drops(self) -> bool:
    return any(stage.keep_ratio != 1.0 for stage in self.stages)

  def with_ratios(self, ratios: Sequence[float]) -> "DropPlan":
    """Returns the plan with other ratios, one a stage, or a `UserError`."""
    for ratio in ratios:
      drop_types.get(self.drop_type).check_kept(ratio, None, "keep_ratios")
    stages = tuple(
      dataclasses.replace(stage, keep_ratio=ratio, keep_k=None)
      for stage, ratio in zip(self.stages, ratios, strict=True)
    )
    return dataclasses.replace(self, stages=stages)


def make_plan(config, num_layers: int) -> DropPlan:
  """Returns the plan that a `DroppingConfig` describes, or a `UserError`."""
  kind = drop_types.get(config.drop.type)
  more = (config.drop.type, config.resolved_selection.slots_per_token)
  drop, restore = config.drop_layer, config.restore_layer
  if config.stages:
    for name in ("token_keep_ratio", "token_keep_k", "drop_layer"):
      value = getattr(config, name)
      rule = f"{name} must be unset where stages are given"
      errors.require(value is None, rule, value)
    stages = tuple(Stage(s.layer, s.keep_ratio) for s in config.stages)
  else:
    ratio = _keep_ratio(config.token_keep_ratio, config.token_keep_k)
    if ratio == 1.0 and drop is None and restore is None:
      return DropPlan(num_layers, (), num_layers - 1, *more)
    if drop is None:
      drop = kind.default_drop_layer(num_layers)
    stages = (Stage(drop, ratio, config.token_keep_k),)
  if restore is None:
    restore = num_layers - 1
  name = "stages" if config.stages else None
  _check_layers(num_layers, stages, restore, name)
  _check_ratios(stages)
  for index, stage in enumerate(stages):
    field = f"stages[{index}].keep_ratio" if name else "token_keep_ratio"
    kind.check_kept(stage.keep_ratio, stage.keep_k, field)
  return DropPlan(num_layers, stages, restore, *more)


def check_ratio(ratio: float, name: str) -> None:
  """Refuses a keep ratio outside (0, 1] with a `UserError`."""
  errors.require(0 < ratio <= 1, f"{name} must be in (0, 1]", ratio)


def _keep_ratio(ratio: float | None, count: int | None) -> float | None:
  rule = "token_keep_ratio and token_keep_k must not both be set"
  both = f"token_keep_ratio={ratio}, token_keep_k={count}"
  errors.require(ratio is None or count is None, rule, both)
  if count is not None:
    errors.require(count >= 1, "token_keep_k must be at least 1", count)
    return None
  if ratio is None:
    return DEFAULT_KEEP_RATIO
  check_ratio(ratio, "token_keep_ratio")
  return float(ratio)


def _check_layers(
  num_layers: int, stages: tuple[Stage, ...], restore: int, name: str | None
) -> None:
  rule = "at least 2 to drop tokens between layers (or token_keep_ratio 1.0)"
  errors.require(num_layers >= 2, f"num_layers must be {rule}", num_layers)
  before = -1
  for index, stage in enumerate(stages):
    field = f"{name}[{index}].layer" if name else "drop_layer"
    rule = f"{field} must be in [0, {num_layers - 2}] for {num_layers} layers"
    inside = 0 <= stage.layer < num_layers - 1
    errors.require(
      inside, f"{rule}: the last layer sees all tokens", stage.layer
    )
    rule = f"{field} must be above {name}[{index - 1}].layer ({before})"
    errors.require(stage.layer > before, rule, stage.layer)
    before = stage.layer
  after = f"after {'the last stage' if name else 'drop_layer'}"
  rule = f"restore_layer must be in [{before + 1}, {num_layers - 1}], {after}"
  inside = before < restore < num_layers
  errors.require(inside, f"{rule} and inside the network", restore)


def _check_ratios(stages: tuple[Stage, ...]) -> None:
  if stages[0].keep_ratio is None:
    return
  before = 1.0
  for index, stage in enumerate(stages):
    name, ratio = f"stages[{index}].keep_ratio", stage.keep_ratio
    check_ratio(ratio, name)
    rule = f"{name} must be at most stages[{index - 1}].keep_ratio ({before})"
    errors.require(ratio <= before, rule, ratio)
    before = ratio
