# SPDX-License-Identifier: Apache-2.0
"""Tests of the classes of operations and of their times."""

import pytest
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import step_profile

PROGRAM = """HloModule step, is_scheduled=true

%fused_computation.1 (p.0: f32[9,4], p.1: s32[2]) -> f32[2,4] {
  %p.0 = f32[9,4]{1,0} parameter(0)
  %p.1 = s32[2]{0} parameter(1)
  ROOT %gather.2 = f32[2,4]{1,0} gather(%p.0, %p.1), offset_dims={1}
}

%region (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %add.1 = f32[] add(%a, %b)
}

%gradient_layer_norm_Sum-reduction.7 (a: f32[], b: f32[]) -> f32[] {
  ROOT %add.2 = f32[] add(%a, %b)
}

%parallel_moved (p.2: f32[9,4]) -> f32[2,4] {
  ROOT %inner = f32[2,4]{1,0} fusion(%p.2), calls=%fused_computation.1
}

ENTRY %main (x: f32[9,4]) -> f32[2,4] {
  %x = f32[9,4]{1,0} parameter(0)
  %dot.1 = f32[2,4]{1,0} dot(%x, %x), metadata={op_name="bert/dropout/MatMul"}
  %call.3 = f32[2,4]{1,0} call(%x), to_apply=%parallel_moved
  %sort.4 = s32[2,4]{1,0} sort(%x), dimensions={1}, to_apply=%region
  %custom-call = (f32[2]{0}, s32[2]{0}) custom-call(%x), \
custom_call_target="TopK", metadata={op_name="bert/dropout/Mul"}
  %fusion.5 = f32[2]{0} fusion(%x), calls=%region, \
metadata={op_name="bert/self_attention_mask/Cast"}
  %fusion.6 = f32[2]{0} fusion(%x), metadata={op_name="AdamWeightDecay/mul"}
  %fusion.7 = f32[2]{0} fusion(%x), metadata={op_name="a/dropout/SelectV2"}
  %fusion.8 = f32[2]{0} fusion(%x), metadata={op_name="a/softmax/Exp"}
  %reduce.9 = f32[] reduce(%x), to_apply=%gradient_layer_norm_Sum-reduction.7
  %copy.10 = f32[2]{0} copy(%x)
  ROOT %fusion.11 = f32[2]{0} fusion(%x), metadata={op_name="a/gelu/Tanh"}
}
"""


@pytest.mark.parametrize(
  ("name", "expected"),
  [
    ("dot.1", "matrix products"),
    ("call.3", "gathers and scatters"),
    ("sort.4", "sorting"),
    ("custom-call", "sorting"),
    ("fusion.5", "masks and importance"),
    ("fusion.6", "optimizer"),
    ("fusion.7", "dropout"),
    ("fusion.8", "attention"),
    ("reduce.9", "layer normalization"),
    ("copy.10", "other"),
    ("fusion.11", "activation"),
  ],
)
def test_class(name, expected):
  assert step_profile.classify(PROGRAM)[name] == expected


def test_operations_inside_others_have_no_class():
  classes = step_profile.classify(PROGRAM)
  assert "inner" not in classes and "gather.2" not in classes


def _trace() -> bytes:
  """Returns a trace in which `dot.1` is done 30 us after it was begun."""
  space = xplane_pb2.XSpace()
  plane = space.planes.add(name="/host:CPU")
  names = ("dot.1", "end: dot.1", "copy.10", "Python")
  for key, name in enumerate(names):
    plane.event_metadata[key].name = name
  for key, name in enumerate(("hlo_op", "_p", "_c")):
    plane.stat_metadata[key].name = name

  def event(line, key, start_us, end_us, **stats):
    event = line.events.add(
      metadata_id=key,
      offset_ps=start_us * 10**6,
      duration_ps=(end_us - start_us) * 10**6,
    )
    for stat, value in stats.items():
      number = ("hlo_op", "p", "c").index(stat)
      event.stats.add(metadata_id=number, uint64_value=value)

  one = plane.lines.add(timestamp_ns=1000)
  two = plane.lines.add(timestamp_ns=0)
  event(one, 0, 0, 10, hlo_op=1, p=77)
  event(one, 2, 10, 25, hlo_op=1, p=78)
  event(two, 1, 30, 31, c=77)
  event(two, 3, 0, 99)
  return space.SerializeToString()


def test_an_operation_lasts_until_its_end_elsewhere():
  assert step_profile.read_trace(_trace()) == [
    ("dot.1", pytest.approx(1e-6), pytest.approx(31e-6)),
    ("copy.10", pytest.approx(11e-6), pytest.approx(26e-6)),
  ]


@pytest.mark.parametrize(
  ("intervals", "length"),
  [
    ([], 0),
    ([(3, 4), (1, 2)], 2),
    ([(0, 10), (2, 3), (9, 12)], 12),
  ],
)
def test_covered(intervals, length):
  assert step_profile.covered(intervals) == length


def test_profile_of_a_program(tmp_path, monkeypatch):
  (tmp_path / "x.cpu_after_optimizations.txt").write_text(PROGRAM)
  monkeypatch.setattr(tf.profiler.experimental, "stop", lambda: None)
  monkeypatch.setattr(tf.profiler.experimental, "start", _write_trace)
  seconds = step_profile.profile(lambda: None, tmp_path, steps=2)
  assert list(seconds) == list(step_profile.CLASSES)
  measured = {name: value for name, value in seconds.items() if value}
  # 30 and 15 us in two steps.
  assert measured == {
    "matrix products": pytest.approx(15e-6),
    "other": pytest.approx(7.5e-6),
  }


def _write_trace(folder: str) -> None:
  with open(f"{folder}/vm.xplane.pb", "wb") as file:
    file.write(_trace())


def test_nothing_was_compiled(tmp_path):
  assert step_profile.profile(lambda: 1 / 0, tmp_path / "dump") is None
