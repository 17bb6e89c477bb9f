# SPDX-License-Identifier: Apache-2.0
"""Where tokens leave the network, where they return, and how many stay."""

import dataclasses

DEFAULT_KEEP_RATIO = 0.5


@dataclasses.dataclass(frozen=True)
class DropPlan:
  """The layers between which tokens are dropped, and how many are kept.

  Layers before `drop_layer` see all tokens. In `drop_layer` only kept tokens
  are queries while all tokens are keys and values; from there to the layer
  before `restore_layer` only kept tokens exist; from `restore_layer` on all
  tokens are there again (Hou et al., section 3.1).

  Attributes:
    num_layers: int, L.
    keep_ratio: float in (0, 1], share of the sequence that stays; `None` if
      `keep_k` rules.
    keep_k: int, number of positions that stay; `None` if `keep_ratio` rules.
    drop_layer: int, 0-based.
    restore_layer: int, 0-based, above `drop_layer`.

  Example:

  >>> plan = DropPlan.create(num_layers=12)
  >>> plan.drop_layer, plan.restore_layer, plan.keep_count(512)
  (5, 11, 256)
  """

  num_layers: int
  keep_ratio: float | None
  keep_k: int | None
  drop_layer: int
  restore_layer: int

  @classmethod
  def create(
    cls,
    num_layers: int,
    token_keep_ratio: float | None = None,
    token_keep_k: int | None = None,
    drop_layer: int | None = None,
    restore_layer: int | None = None,
  ) -> "DropPlan":
    """Fills in the published defaults and checks the result.

    Args:
      num_layers: int, L.
      token_keep_ratio: float in (0, 1]; defaults to 0.5.
      token_keep_k: int, an absolute count instead of a ratio.
      drop_layer: int; defaults to `L // 2 - 1`.
      restore_layer: int; defaults to `L - 1`, the last layer.

    Returns:
      A `DropPlan`.

    Raises:
      ValueError: both `token_keep_ratio` and `token_keep_k`, or a value
        outside its range.
    """
    ratio = _checked_ratio(token_keep_ratio, token_keep_k)
    if ratio == 1.0 and drop_layer is None and restore_layer is None:
      return cls(num_layers, ratio, None, num_layers, num_layers)
    drop = num_layers // 2 - 1 if drop_layer is None else drop_layer
    restore = num_layers - 1 if restore_layer is None else restore_layer
    _check_layers(num_layers, drop, restore)
    return cls(num_layers, ratio, token_keep_k, drop, restore)

  def keep_count(self, seq_length: int) -> int:
    """Number of positions K that stay of a sequence of `seq_length`.

    Raises:
      ValueError: `token_keep_k` is larger than `seq_length`.
    """
    if self.keep_k is None:
      return max(1, round(self.keep_ratio * seq_length))
    if self.keep_k > seq_length:
      raise ValueError(
        "token_keep_k must be at most the sequence length "
        f"({seq_length}). Received: {self.keep_k}"
      )
    return self.keep_k


def _checked_ratio(ratio: float | None, count: int | None) -> float | None:
  if ratio is not None and count is not None:
    raise ValueError(
      "token_keep_ratio and token_keep_k must not both be set. Received: "
      f"token_keep_ratio={ratio}, token_keep_k={count}"
    )
  if count is not None:
    if count < 1:
      raise ValueError(f"token_keep_k must be at least 1. Received: {count}")
    return None
  if ratio is None:
    return DEFAULT_KEEP_RATIO
  if not 0 < ratio <= 1:
    raise ValueError(f"token_keep_ratio must be in (0, 1]. Received: {ratio}")
  return float(ratio)


def _check_layers(num_layers: int, drop: int, restore: int) -> None:
  if num_layers < 2:
    raise ValueError(
      "num_layers must be at least 2 to drop tokens between layers (or "
      f"token_keep_ratio 1.0). Received: {num_layers}"
    )
  if not 0 <= drop < num_layers - 1:
    raise ValueError(
      f"drop_layer must be in [0, {num_layers - 2}] for {num_layers} layers: "
      f"the last layer sees all tokens. Received: {drop}"
    )
  if not drop < restore < num_layers:
    raise ValueError(
      f"restore_layer must be in [{drop + 1}, {num_layers - 1}], after "
      f"drop_layer and inside the network. Received: {restore}"
    )
