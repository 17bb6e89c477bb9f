# SPDX-License-Identifier: Apache-2.0
"""Where the time of a compiled step goes, by kind of operation.

TensorFlow's profiler records every operation that XLA runs, on the CPU too
(TensorFlow 2.20), under its name in the optimized program, and XLA writes that
program down (`--xla_dump_to`). An operation is counted under what it contains,
since XLA fuses: a fusion with a gather inside counts as a gather whole. The
time of a class is that in which at least one of its operations was under way,
from when it was begun to when it was done; those of other classes may run
meanwhile. So both make upper bounds, and classes add up to more than the step.
"""

import dataclasses
import pathlib
import re
import tempfile
from collections.abc import Callable

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import step_memory

MATRIX, MOVE, SORT, PLAN = (
  "matrix products",
  "gathers and scatters",
  "sorting",
  "masks and importance",
)
OTHER = "other"
# By the names of the layers and operations, the first that matches.
_BY_NAME = (
  (
    PLAN,
    r"attention_mask|importance|token_selector|select_top_k|argsort"
    r"|position_(gather|restore)",
  ),
  ("optimizer", r"adam_?weight|clip_by_global_norm"),
  ("dropout", r"dropout"),
  ("attention", r"softmax|self_attention/"),
  ("layer normalization", r"layer_norm"),
  ("activation", r"intermediate|gelu|activation"),
)
CLASSES = (MATRIX, MOVE, SORT, *(name for name, _ in _BY_NAME), OTHER)
DROPPING = (MOVE, SORT, PLAN)  # that dropping adds to, beside the layers

_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = .*?\s([a-z][\w\-]*)\(")
_CALLED = re.compile(r"(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
_OP_NAME = re.compile(r'op_name="([^"]*)"')
_TARGET = re.compile(r'custom_call_target="([^"]*)"')


@dataclasses.dataclass
class _Operation:
  kinds: set[str]  # opcodes, and targets of custom calls
  names: list[str]  # of TensorFlow's operations; its own first
  called: list[str]


def profile(
  step: Callable[[], object], dump: pathlib.Path, steps: int = 2
) -> dict[str, float] | None:
  """Returns the seconds of a step by class.

  Args:
    step: compiled already.
    dump: folder of `--xla_dump_to`.
    steps: how many to record.

  Returns:
    Seconds by name of the class, zeros included; `None` where no operation of a
    compiled program was recorded.
  """
  program = step_memory.largest(dump, "*after_optimizations.txt")
  if program is None:
    return None
  with tempfile.TemporaryDirectory() as folder:
    tf.profiler.experimental.start(folder)
    for _ in range(steps):
      step()
    tf.profiler.experimental.stop()
    (trace,) = pathlib.Path(folder).rglob("*.xplane.pb")
    operations = read_trace(trace.read_bytes())
  classes = classify(program.read_text("utf-8", errors="replace"))
  intervals = {name: [] for name in CLASSES}
  for name, start, end in operations:
    if name in classes:  # not what runs inside another operation
      intervals[classes[name]].append((start, end))
  totals = {name: covered(each) / steps for name, each in intervals.items()}
  return totals if sum(totals.values()) else None


def read_trace(content: bytes) -> list[tuple[str, float, float]]:
  """Returns name, start and end in seconds of every XLA operation of a trace.

  An operation may hand its work to other threads: it is done where the event
  `end: NAME` with the same number is recorded.
  """
  space = xplane_pb2.XSpace.FromString(content)
  begun, ends = [], {}
  for plane in space.planes:
    stats = {key: value.name for key, value in plane.stat_metadata.items()}
    for line in plane.lines:
      for event in line.events:
        found = {stats[s.metadata_id]: s for s in event.stats}
        name = plane.event_metadata[event.metadata_id].name
        start = line.timestamp_ns * 1000 + event.offset_ps
        end = start + event.duration_ps
        if "hlo_op" in found:
          begun.append((name, _number(found.get("_p")), start, end))
        elif name.startswith("end: "):
          ends[name[5:], _number(found.get("_c"))] = end
  return [
    (name, start / 1e12, max(end, ends.get((name, number), end)) / 1e12)
    for name, number, start, end in begun
  ]


def _number(stat) -> int | None:
  return None if stat is None else stat.uint64_value or stat.int64_value


def covered(intervals: list[tuple[float, float]]) -> float:
  """Returns the length of the union of intervals.

  Example:

  >>> covered([(0, 2), (5, 6), (1, 3)])
  4
  """
  total, reached = 0, float("-inf")
  for start, end in sorted(intervals):
    total += max(0, end - max(start, reached))
    reached = max(reached, end)
  return total


def classify(program: str) -> dict[str, str]:
  """Returns the class of every operation that a program runs.

  Args:
    program: text of an optimized HLO module.

  Returns:
    Class by name of the operation in the entry computation.
  """
  computations, entry = _parse(program)
  return {
    name: _class_of(operation, computations)
    for name, operation in computations[entry].items()
  }


def _parse(program: str) -> tuple[dict[str, dict[str, _Operation]], str]:
  """Returns operations by computation, and the name of the entry."""
  computations, entry, inside = {}, "", {}
  for line in program.splitlines():
    if header := _COMPUTATION.match(line):
      inside = computations.setdefault(header[2], {})
      entry = header[2] if header[1] else entry
    elif found := _INSTRUCTION.match(line):
      kinds = {found[2], *(each.lower() for each in _TARGET.findall(line))}
      names, called = _OP_NAME.findall(line), _CALLED.findall(line)
      inside[found[1]] = _Operation(kinds, names, called)
  return computations, entry


def _class_of(operation: _Operation, computations: dict) -> str:
  kinds, names = set(), []
  waiting = [operation]
  while waiting:
    each = waiting.pop()
    kinds |= each.kinds
    names += each.names
    for called in each.called:
      waiting += computations.get(called, {}).values()
  if any("dot" in kind or "matmul" in kind for kind in kinds):
    return MATRIX
  if kinds & {"sort", "topk"}:
    return SORT
  if kinds & {"gather", "scatter"}:
    return MOVE
  # A reduction without a name has one that XLA gave its function.
  return _class_by_name((*names, *operation.called, OTHER)[0].lower())


def _class_by_name(name: str) -> str:
  found = (label for label, pattern in _BY_NAME if re.search(pattern, name))
  return next(found, OTHER)
