# SPDX-License-Identifier: Apache-2.0
"""What a training step costs, by the program that XLA makes of it.

The figures of docs/speed.md that do not depend on the machine.
"""

import dataclasses
import functools
import math

import pytest
import tensorflow as tf
import tf_keras
from official.core import exp_factory
from tensorflow.compiler.xla.service import hlo_pb2

from token_dropping.common import config_overrides
from token_dropping.dropping.drops import drop_types
from token_dropping.models import multiply_adds
from token_dropping.tasks import experiments  # noqa: F401  registers
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import task as masked_lm

BATCH = 2
SHAPE = multiply_adds.BertShape(
  num_layers=4,
  hidden_size=64,
  intermediate_size=256,
  vocab_size=2000,
  seq_length=128,
  predictions=19,
)
STAGES = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.25}]
LINEAR = {"type": "linear", "num_ratios": 3, "train_steps": 90}


class CompiledProgram:
  """The optimized program of a `tf.function` with `jit_compile=True`.

  What it says does not depend on how fast or how busy the machine is.

  Example:

  >>> @tf.function(jit_compile=True)
  ... def product(a, b):
  ...   return tf.matmul(a, b)
  >>> program = CompiledProgram(product, tf.ones([20, 30]), tf.ones([30, 50]))
  >>> program.macs(), program.branches(), program.temporary_bytes()
  (30000, 0, 0)
  """

  def __init__(self, function, *args):
    read = function.experimental_get_compiler_ir(*args)
    content = read(stage="optimized_hlo_proto_serialized")
    self._proto = hlo_pb2.HloProto.FromString(content)

  def macs(self) -> int:
    """Multiply-adds of all matrix products.

    Those of every branch and of every loop's body count once.
    """
    return sum(
      _dot_macs(instruction, shapes)
      for shapes, instructions in self._computations()
      for instruction in instructions
      if instruction.opcode == "dot"
    )

  def branches(self) -> int:
    """Number of branches of conditionals, each with shapes of its own."""
    return sum(
      len(instruction.called_computation_ids)
      for _, instructions in self._computations()
      for instruction in instructions
      if instruction.opcode == "conditional"
    )

  def temporary_bytes(self) -> int:
    """Bytes that are neither arguments, results nor constants."""
    return sum(
      buffer.size
      for buffer in self._proto.buffer_assignment.buffer_allocations
      if not (
        buffer.is_entry_computation_parameter
        or buffer.maybe_live_out
        or buffer.is_constant
        or buffer.is_thread_local
      )
    )

  def _computations(self):
    """Yields the shapes by instruction, and the instructions."""
    for computation in self._proto.hlo_module.computations:
      instructions = computation.instructions
      shapes = {i.id: i.shape.dimensions for i in instructions}
      yield shapes, instructions


def _dot_macs(instruction, shapes: dict) -> int:
  left = shapes[instruction.operand_ids[0]]
  axes = instruction.dot_dimension_numbers.lhs_contracting_dimensions
  summed = math.prod(left[axis] for axis in axes)
  return math.prod(instruction.shape.dimensions) * summed


def _task(schedule: dict | None = None, interval: int = 0, **encoder):
  fields = dataclasses.asdict(SHAPE)
  length, predictions = fields.pop("seq_length"), fields.pop("predictions")
  sizes = {"max_position_embeddings": length, "num_attention_heads": 2}
  overrides = {
    "model": {"encoder": {"type": "any", "any": fields | sizes | encoder}},
    "train_data": {
      "seq_length": length,
      "max_predictions_per_seq": predictions,
      "global_batch_size": BATCH,
    },
    "keep_schedule": schedule or {},
    "semantic_consistency": {"interval": interval},
  }
  params = exp_factory.get_exp_config("bert/token_drop")
  config_overrides.apply_overrides(params, {"task": overrides}, source="test")
  return masked_lm.TokenDropMaskedLMTask(params.task)


@functools.cache
def _program_of(ratio: float, drop_type: str) -> CompiledProgram:
  return _program(_task(token_keep_ratio=ratio, **_drop(drop_type)))


def _drop(drop_type: str) -> dict:
  return {"drop": {"type": drop_type}, "restore_layer": 3, "drop_layer": 1}


def _program(task) -> CompiledProgram:
  """Compiles a training step, optimizer and metrics included."""
  model = task.build_model()
  optimizer = tf_keras.optimizers.legacy.SGD(0.1)
  optimizer.iterations.assign(0)  # makes it: XLA must not
  metrics = task.build_metrics(training=True)

  @tf.function(jit_compile=True)
  def step(batch):
    return task.train_step(batch, model, optimizer, metrics)

  ids = tf.ones([BATCH, SHAPE.seq_length], tf.int32)
  positions = tf.ones([BATCH, SHAPE.predictions], tf.int32)
  batch = {
    "input_word_ids": ids,
    "input_mask": ids,
    "input_type_ids": 0 * ids,
    "masked_lm_positions": positions,
    "masked_lm_ids": positions,
    "masked_lm_weights": tf.cast(positions, tf.float32),
  }
  return CompiledProgram(step, batch)


def _step_macs(task) -> float:
  """Returns what the cost model says of a step: a backward pass is two."""
  plan = task.task_config.model.encoder.any.drop_plan
  return (
    multiply_adds.PASSES * BATCH * multiply_adds.token_drop_macs(SHAPE, plan)
  )


@pytest.mark.parametrize(
  "encoder",
  [
    {"token_keep_k": 20, "drop_layer": 0, "restore_layer": 2},
    {"stages": STAGES, "restore_layer": 3},
  ],
  ids=["count", "stages"],
)
def test_cost_model_counts_what_xla_does(encoder):
  task = _task(**encoder)
  assert _program(task).macs() == pytest.approx(_step_macs(task), rel=0.02)


@pytest.mark.parametrize(
  ("ratio", "drop_type"),
  [(1.0, "skip"), *((0.5, kind) for kind in drop_types.TYPES)],
)
def test_cost_model_of_ratios_and_types(ratio, drop_type):
  task = _task(token_keep_ratio=ratio, **_drop(drop_type))
  macs = _program_of(ratio, drop_type).macs()
  assert macs == pytest.approx(_step_macs(task), rel=0.02)


def test_a_schedule_compiles_each_of_its_shapes_once():
  _assert_counts(_task(LINEAR), kinds=3)


def _assert_counts(task, kinds: int) -> None:
  """Compares branches and multiply-adds of a step with those of its kinds."""
  kinds_of_steps = masked_lm_config.schedule_of(task.task_config).kinds
  program = _program(task)
  assert program.branches() == len(kinds_of_steps) == kinds
  expected = sum(
    multiply_adds.step_macs(SHAPE, kind) for kind in kinds_of_steps
  )
  assert program.macs() == pytest.approx(
    multiply_adds.PASSES * BATCH * expected, rel=0.02
  )


def test_full_passes_and_consistency_steps_are_branches_of_their_own():
  _assert_counts(_task({"full_interval": 4}, interval=10), kinds=3)


def test_one_shape_is_no_branch():
  assert _program_of(0.5, "skip").branches() == 0


@pytest.mark.parametrize("drop_type", drop_types.TYPES)
def test_temporaries_shrink_with_the_tokens(drop_type):
  """What is left is the head, whose logits are most of so small a step."""
  dense = _program_of(1.0, "skip").temporary_bytes()
  assert dense > 1e6
  assert _program_of(0.5, drop_type).temporary_bytes() < 0.8 * dense
