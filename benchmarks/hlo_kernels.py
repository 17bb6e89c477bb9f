# SPDX-License-Identifier: Apache-2.0
"""The kernels of a program that XLA has compiled for a GPU, read from its text.

Bytes are those of operands and results, each once: too few where a kernel reads
an operand twice, too many where it gathers or changes a part in place, or where
an operand is still in the cache.
"""

import collections
import dataclasses
import math
import re

_SIZES = {"pred": 1, "token": 0}
_SHAPE = re.compile(r"\b(pred|token|bf16|[sufc]\d+|f8\w+)\[([\d,]*)\]")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(
  r"^\s+(?:ROOT )?%?([\w.\-]+) = "
  r"(\(.*?\)|\S+?\[[\d,]*\](?:\{[^}]*\})?) ([\w\-]+)\((.*)$"
)
_CALLED = re.compile(r"\b(?:calls|to_apply|body)=%?([\w.\-]+)")
_TRIPS = re.compile(r'known_trip_count":\{"n":"(\d+)"')
_TARGET = re.compile(r'custom_call_target="([^"]+)"')
_SOURCE = re.compile(r'op_name="([^"]*)"')
_CONTRACTED = re.compile(
  r'lhs_contracting_dim(?:s=\{|ensions":\[)"?([\d,"]*)[\]}]'
)
# Not kernels: names for values that are there.
_FREE = {
  *("parameter", "constant", "get-tuple-element", "tuple", "bitcast"),
  *("after-all", "partition-id", "replica-id", "opt-barrier"),
}


@dataclasses.dataclass(frozen=True)
class Shape:
  """An array's type, `bf16`, and its sizes.

  >>> Shape.read("(f32[2,3]{1,0}, s8[16]{0})")[0].bytes
  24
  """

  dtype: str
  sizes: tuple[int, ...]

  @classmethod
  def read(cls, text: str) -> tuple["Shape", ...]:
    return tuple(
      cls(dtype, tuple(map(int, filter(None, sizes.split(",")))))
      for dtype, sizes in _SHAPE.findall(text)
    )

  @property
  def bytes(self) -> int:
    bits = re.search(r"\d+", self.dtype)
    size = int(bits[0]) // 8 if bits else _SIZES[self.dtype]
    return size * math.prod(self.sizes)


@dataclasses.dataclass(frozen=True)
class Instruction:
  """A line of the program; `rest` is what stands behind its operands."""

  name: str
  results: tuple[Shape, ...]
  operation: str
  operands: tuple[Shape, ...]
  rest: str

  def multiply_adds(self) -> int:
    """Those of a matrix product or of fused attention, else 0."""
    target = self.target
    if "fmha" in target:
      return self._of_fused_attention()
    if self.operation != "dot" and "cublas" not in target:
      return 0
    axes = re.findall(r"\d+", _CONTRACTED.search(self.rest)[1])
    left = self.operands[0].sizes
    depth = math.prod(left[int(axis)] for axis in axes)
    return depth * math.prod(self.results[0].sizes)

  def _of_fused_attention(self) -> int:
    """Two products of queries [B, T, N, H] and keys [B, S, N, H].

    The gradient makes the first again and four more.
    """
    products = 5 if "Backward" in self.target else 2
    query, key = self.operands[0].sizes, self.operands[1].sizes
    return products * math.prod(query) * key[1]

  @property
  def target(self) -> str:
    """The library's function, or nothing."""
    found = _TARGET.search(self.rest)
    return found[1] if found else ""


@dataclasses.dataclass(frozen=True)
class Kernel(Instruction):
  """What is launched at once, `times` a step, and what a fusion computes."""

  times: int
  inside: tuple[Instruction, ...]

  @property
  def source(self) -> str:
    """The path in the network that the main operation comes from."""
    found = _SOURCE.search(self.rest)
    return found[1] if found else ""

  @property
  def shapes(self) -> tuple[Shape, ...]:
    """Operands and results, without the workspace of a library."""
    results = self.results
    if self.target:
      results = [each for each in results if each.dtype not in ("s8", "u8")]
    return (*self.operands, *results)

  @property
  def bytes(self) -> int:
    return sum(shape.bytes for shape in self.shapes)

  def multiply_adds(self) -> int:
    """Those of all matrix products in the kernel."""
    parts = [each.multiply_adds() for each in self.inside]
    return super().multiply_adds() + sum(parts)


def read_kernels(text: str) -> list[Kernel]:
  """Returns the kernels of an optimized program, those of a loop once."""
  computations, entry = _read_computations(text)
  kernels = []

  def walk(name: str, times: int) -> None:
    for each in computations[name]:
      called = _CALLED.findall(each.rest)
      if each.operation == "while":
        trips = _TRIPS.search(each.rest)
        walk(called[0], times * int(trips[1] if trips else 1))
      elif each.operation == "conditional":
        for branch in re.findall(r"%([\w.\-]+)", each.rest):
          walk(branch, times)
      elif each.operation in ("call", "async-start"):
        walk(called[0], times)
      elif each.operation not in _FREE and not each.operation.endswith("-done"):
        parts = computations[called[0]] if each.operation == "fusion" else ()
        fields = vars(each) | {"times": times, "inside": tuple(parts)}
        kernels.append(Kernel(**fields))

  walk(entry, 1)
  return kernels


def _read_computations(text: str) -> tuple[dict[str, list[Instruction]], str]:
  """Returns the instructions of each computation, and which is the entry."""
  computations = collections.defaultdict(list)
  name = entry = ""
  shapes = {}
  for line in text.splitlines():
    head = _COMPUTATION.match(line)
    if head:
      name, shapes = head[2], {}
      entry = name if head[1] else entry
    instruction = _INSTRUCTION.match(line)
    if instruction:
      parsed = _read_instruction(*instruction.groups(), shapes)
      shapes[parsed.name] = parsed.results
      computations[name].append(parsed)
  return computations, entry


def _read_instruction(
  name: str, results: str, operation: str, tail: str, shapes: dict
) -> Instruction:
  """Returns an instruction; `tail` begins behind the bracket of operands."""
  depth = end = 1
  while depth and end <= len(tail):
    depth += {"(": 1, ")": -1}.get(tail[end - 1], 0)
    end += 1
  operands = [
    shape
    for operand in re.findall(r"%([\w.\-]+)", tail[: end - 1])
    for shape in shapes.get(operand, ())
  ]
  return Instruction(
    name, Shape.read(results), operation, tuple(operands), tail[end - 1 :]
  )
