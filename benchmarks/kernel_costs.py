# SPDX-License-Identifier: Apache-2.0
"""What the kernels of a training step of BERT cost on an H100, by classes.

A kernel is taken to last as long as its bytes or its products, whichever takes
longer, and a launch.
"""

import collections
import dataclasses
import itertools
import math
from collections.abc import Iterable

from benchmarks import hlo_kernels

# Assumed of an H100 (SXM, 80 GB): 80 % of its 3.35 TB/s; in bfloat16 60 % of
# its 989 TFLOP/s for products, half of that for attention with heads of 64; and
# the seconds from one launch to the next.
BANDWIDTH, PRODUCTS, ATTENTION, LAUNCH = 2.7e12, 600e12, 300e12, 1.5e-6

# Parts of paths in the network, first match.
_SOURCES = {
  "gradient norm": ("global_norm", "L2Loss", "clip"),
  "AdamW": ("Adam",),
  "head and loss": ("cls/", "CrossEntropy", "sparse_cat", "metric"),
}


@dataclasses.dataclass
class Cost:
  """A sum over kernels."""

  kernels: int = 0
  bytes: int = 0
  operations: int = 0  # two a multiply-add
  seconds: float = 0.0

  def __add__(self, other: "Cost") -> "Cost":
    pairs = zip(_values(self), _values(other), strict=True)
    return Cost(*itertools.starmap(lambda left, right: left + right, pairs))


def _values(cost: Cost) -> tuple:
  return dataclasses.astuple(cost)


class Shapes:
  """What the sizes of a step's arrays say; `meta` is an export's."""

  def __init__(self, meta: dict):
    self._batch, self._heads = meta["batch_size"], meta["heads"]
    self._inner = 4 * meta["width"]
    length, kept = meta["seq_length"], meta["keep"]
    predictions = meta["predictions"]
    # Of keys: all, those that stay, or leave; of queries, the last layer's too.
    self._keys = {length, kept, length - kept} - {0}
    self._queries = self._keys | {predictions, predictions + 1}

  def are_scores(self, sizes: tuple[int, ...]) -> bool:
    """Whether an array is one of attention's scores.

    They have B N T S values, in an order of these axes, of which those before
    the last may be joined.
    """
    if self._inner in sizes:  # B N T may be 4 D
      return False
    batch, heads = self._batch, self._heads
    sizes = sorted(size for size in sizes if size > 1)
    return any(
      math.prod(sizes) == batch * heads * queries * keys
      and sizes
      in (
        sorted(size for size in (batch, heads, queries, keys) if size > 1),
        sorted((batch * heads, queries, keys)),
        sorted((batch * heads * queries, keys)),
      )
      for queries, keys in itertools.product(self._queries, self._keys)
    )

  def are_inner(self, sizes: tuple[int, ...]) -> bool:
    """Whether an array has the feed-forward's inner states, [B, T, 4 D]."""
    values = {self._batch * length * self._inner for length in self._queries}
    return self._inner in sizes and math.prod(sizes) in values


def class_of(kernel: hlo_kernels.Kernel, shapes: Shapes) -> str:
  """Returns the name of a kernel's class."""
  sizes = [shape.sizes for shape in kernel.shapes]
  scores = any(map(shapes.are_scores, sizes))
  if "fmha" in kernel.target:
    return "fused attention"
  if kernel.multiply_adds():
    return "products in attention" if scores else "other products"
  if scores:
    return "attention's softmax and dropout"
  for name, parts in _SOURCES.items():
    if any(part in kernel.source for part in parts):
      return name
  if any(map(shapes.are_inner, sizes)):
    return "GELU and its bias"
  if "transpose" in kernel.name or "copy" in kernel.operation:
    return "transposing, copying"
  return "norms, dropout, adds, the rest"


def cost_of(kernel: hlo_kernels.Kernel) -> Cost:
  """Returns the cost of a kernel, all its launches in a step."""
  rate = ATTENTION if "fmha" in kernel.target else PRODUCTS
  operations = 2 * kernel.multiply_adds()
  seconds = max(operations / rate, kernel.bytes / BANDWIDTH) + LAUNCH
  times = kernel.times
  return Cost(times, times * kernel.bytes, times * operations, times * seconds)


def costs_by_class(
  kernels: Iterable[hlo_kernels.Kernel], meta: dict
) -> dict[str, Cost]:
  """Returns the classes of a step, the dearest first, and their sum."""
  shapes, costs = Shapes(meta), collections.defaultdict(Cost)
  for kernel in kernels:
    costs[class_of(kernel, shapes)] += cost_of(kernel)
  dearest = sorted(costs, key=lambda name: -costs[name].seconds)
  total = sum(costs.values(), Cost())
  return {name: costs[name] for name in dearest} | {"sum": total}
