# SPDX-License-Identifier: Apache-2.0
"""Tests of the profile: a program and a trace by hand, and a real step."""

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import step_profile

# Each operation of the entry is of the class that it is named after.
PROGRAM = """HloModule step, is_scheduled=true

%fused_gather (p.0: f32[9,8], p.1: s32[4]) -> f32[4,8] {
  %p.0 = f32[9,8]{1,0} parameter(0)
  %p.1 = s32[4]{0} parameter(1)
  ROOT %g = f32[4,8]{1,0} gather(f32[9,8]{1,0} %p.0, s32[4]{0} %p.1), slice_sizes={1,8}, metadata={op_name="jit/dropout/GatherV2"}
}

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(f32[] %a, f32[] %b)
}

%region_of_softmax (a.1: f32[], b.1: f32[]) -> f32[] {
  ROOT %sum.1 = f32[] add(f32[] %a.1, f32[] %b.1)
}

%inner (p.2: f32[4,8]) -> f32[4,4] {
  ROOT %dot.1 = f32[4,4]{1,0} dot(f32[4,8]{1,0} %p.2, f32[4,8]{1,0} %p.2), metadata={op_name="jit/layer_norm/mul"}
}

%outer (p.3: f32[4,8]) -> f32[4,4] {
  ROOT %call.1 = f32[4,4]{1,0} call(f32[4,8]{1,0} %p.3), to_apply=%inner
}

%compare (a.2: f32[], b.2: f32[]) -> pred[] {
  ROOT %less = pred[] compare(f32[] %a.2, f32[] %b.2), direction=LT
}

ENTRY %main (x: f32[9,8], i: s32[4]) -> (f32[4,4], f32[4]) {
  %x = f32[9,8]{1,0} parameter(0)
  %i = s32[4]{0} parameter(1)
  %move = f32[4,8]{1,0} fusion(f32[9,8]{1,0} %x, s32[4]{0} %i), kind=kLoop, calls=%fused_gather
  %nested_product = f32[4,4]{1,0} call(f32[4,8]{1,0} %move), to_apply=%outer
  %library_product = f32[4,4]{1,0} custom-call(f32[4,8]{1,0} %move), custom_call_target="__onednn$matmul"
  %sort.5 = (f32[4]{0}, s32[4]{0}) sort(f32[4]{0} %k, s32[4]{0} %i), dimensions={0}, to_apply=%compare
  %top = (f32[2]{0}, s32[2]{0}) custom-call(f32[4]{0} %k), custom_call_target="TopK"
  %plan = s32[4]{0} add(s32[4]{0} %i, s32[4]{0} %i), metadata={op_name="jit/token_selector/add"}
  %mask = f32[4]{0} broadcast(f32[] %c), metadata={op_name="jit/self_attention_mask/ones"}
  %adam = f32[4]{0} add(f32[4]{0} %i, f32[4]{0} %i), metadata={op_name="jit/AdamWeightDecay/add"}
  %drop = f32[4]{0} multiply(f32[4]{0} %i, f32[4]{0} %i), metadata={op_name="jit/layer_0/dropout/mul"}
  %named = f32[4]{0} reduce(f32[4,4]{1,0} %i, f32[] %c), dimensions={1}, to_apply=%region_of_softmax
  %norm = f32[4]{0} reduce(f32[4,4]{1,0} %i, f32[] %c), dimensions={1}, to_apply=%add, metadata={op_name="jit/output_layer_norm/mean"}
  %gelu = f32[4]{0} tanh(f32[4]{0} %i), metadata={op_name="jit/intermediate/Tanh"}
  ROOT %result = (f32[4,4]{1,0}, f32[4]{0}) tuple(f32[4,4]{1,0} %nested_product, f32[4]{0} %norm)
}
"""  # noqa: E501


def test_operations_are_of_what_they_contain():
  assert step_profile.classify(PROGRAM) == {
    "x": "other",
    "i": "other",
    "move": "gathers and scatters",
    "nested_product": "matrix products",
    "library_product": "matrix products",
    "sort.5": "sorting",
    "top": "sorting",
    "plan": "masks and importance",
    "mask": "masks and importance",
    "adam": "optimizer",
    "drop": "dropout",
    "named": "attention",
    "norm": "layer normalization",
    "gelu": "activation",
    "result": "other",
  }


def test_union_of_intervals():
  assert step_profile.covered([]) == 0
  assert step_profile.covered([(4, 6), (0, 10), (9, 11), (20, 21)]) == 12


def test_a_trace_by_hand():
  space = xplane_pb2.XSpace()
  plane = space.planes.add()
  for key, name in {1: "hlo_op", 2: "_p", 3: "_c"}.items():
    plane.stat_metadata[key].name = name
  for key, name in {1: "dot.1", 2: "end: dot.1", 3: "add", 4: "python"}.items():
    plane.event_metadata[key].name = name

  def add(line, name, start, duration, stats):
    event = line.events.add(
      metadata_id=name, offset_ps=start, duration_ps=duration
    )
    for key, value in stats.items():
      event.stats.add(metadata_id=key, uint64_value=value)

  first, second = plane.lines.add(timestamp_ns=1), plane.lines.add()
  add(first, 1, 500, 10, {1: 0, 2: 7})  # hands its work on
  add(second, 2, 4000, 1000, {3: 7})  # and is done here
  add(second, 2, 9000, 1000, {3: 8})  # another dot.1
  add(first, 3, 2000, 300, {1: 0})
  add(first, 4, 0, 10_000, {})  # not of XLA
  assert step_profile.read_trace(space.SerializeToString()) == [
    ("dot.1", 1500e-12, 5000e-12),
    ("add", 3000e-12, 3300e-12),
  ]


def test_nothing_was_compiled(tmp_path):
  assert step_profile.profile(lambda: None, tmp_path) is None


def test_a_program_that_does_not_run(tmp_path):
  path = tmp_path / "module_0001.a.cpu_after_optimizations.txt"
  path.write_text(PROGRAM)
  step = lambda: tf.constant(1.0) + 1.0  # noqa: E731
  assert step_profile.profile(step, tmp_path) is None
