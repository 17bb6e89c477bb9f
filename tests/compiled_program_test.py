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
from official.core import task_factory
from tensorflow.compiler.xla.service import hlo_pb2

from token_dropping.common import config_overrides
from token_dropping.dropping.drops import drop_types
from token_dropping.models import multiply_adds
from token_dropping.tasks import experiments  # noqa: F401  registers
from token_dropping.tasks.causal_lm import task as causal_lm
from token_dropping.tasks.pretraining import config as pretraining_config
from token_dropping.tasks.translation import task as translation

BATCH = 2
NETWORK = {
  "num_layers": 4,
  "hidden_size": 64,
  "intermediate_size": 256,
  "vocab_size": 2000,
}
SHAPE = multiply_adds.BertShape(**NETWORK, seq_length=128, predictions=19)
STAGES = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.25}]

# By a threshold, in slots of which some stay empty.
FREQUENT = {"importance": {"type": "frequency"}}


class CompiledProgram:
  """The optimized program of a `tf.function` with `jit_compile=True`.

  What it says does not depend on how fast or how busy the machine is: `macs`,
  multiply-adds of all matrix products, those of every branch and loop once;
  `branches` of conditionals; `temporary_bytes`, what is neither argument,
  result nor constant.

  >>> @tf.function(jit_compile=True)
  ... def product(a, b):
  ...   return tf.matmul(a, b)
  >>> program = CompiledProgram(product, tf.ones([20, 30]), tf.ones([30, 50]))
  >>> program.macs, program.branches, program.temporary_bytes
  (30000, 0, 0)
  """

  def __init__(self, function, *args):
    read = function.experimental_get_compiler_ir(*args)
    content = read(stage="optimized_hlo_proto_serialized")
    proto = hlo_pb2.HloProto.FromString(content)
    self.macs = self.branches = 0
    for computation in proto.hlo_module.computations:
      instructions = computation.instructions
      shapes = {i.id: i.shape.dimensions for i in instructions}
      for instruction in instructions:
        if instruction.opcode == "dot":
          self.macs += _dot_macs(instruction, shapes)
        if instruction.opcode == "conditional":
          self.branches += len(instruction.called_computation_ids)
    self.temporary_bytes = sum(
      buffer.size
      for buffer in proto.buffer_assignment.buffer_allocations
      if not (
        buffer.is_entry_computation_parameter
        or buffer.maybe_live_out
        or buffer.is_constant
        or buffer.is_thread_local
      )
    )


def _dot_macs(instruction, shapes: dict) -> int:
  left = shapes[instruction.operand_ids[0]]
  axes = instruction.dot_dimension_numbers.lhs_contracting_dimensions
  summed = math.prod(left[axis] for axis in axes)
  return math.prod(instruction.shape.dimensions) * summed


def _make_task(name: str, overrides: dict):
  params = exp_factory.get_exp_config(name)
  config_overrides.apply_overrides(params, {"task": overrides}, source="test")
  return task_factory.get_task(params.task)


def _causal_task(positions: dict, network="gpt", **encoder):
  fields = NETWORK | {"num_attention_heads": 2, "drop_layer": 1} | encoder
  overrides = {
    "model": {"encoder": {"any": fields}},
    "train_data": {"seq_length": SHAPE.seq_length, "global_batch_size": BATCH},
    "loss_positions": positions,
  }
  return _make_task(f"{network}/token_drop", overrides)


def _translation_task(**encoder):
  fields = {"num_attention_heads": 2, "drop_layer": 1, "num_decoder_layers": 3}
  lengths = {"seq_length": SHAPE.seq_length, "target_length": 96}
  overrides = {
    "model": {"encoder": {"any": NETWORK | fields | encoder}},
    "train_data": lengths | {"global_batch_size": BATCH},
  }
  return _make_task("wmt_transformer/token_drop", overrides)


def _task(schedule: dict | None = None, interval=0, network="bert", **encoder):
  length = SHAPE.seq_length
  sizes = {"max_position_embeddings": length, "num_attention_heads": 2}
  layers = {"drop_layer": 1, "restore_layer": 3}
  fields = NETWORK | sizes | layers | encoder
  overrides = {
    "model": {"encoder": {"type": "any", "any": fields}},
    "train_data": {
      "seq_length": length,
      "max_predictions_per_seq": SHAPE.predictions,
      "global_batch_size": BATCH,
    },
    "keep_schedule": schedule or {},
    "semantic_consistency": {"interval": interval},
  }
  return _make_task(f"{network}/token_drop", overrides)


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
  if isinstance(task, causal_lm.CausalLMTask):
    batch = {"input_word_ids": ids}
  if isinstance(task, translation.TranslationTask):
    targets = ids[:, : task.task_config.train_data.target_length]
    batch = {"inputs": ids, "targets": targets}
    batch |= {f"{side}_segmentation": ids for side, ids in batch.items()}
  return CompiledProgram(step, batch)


@functools.cache
def _checked(ratio: float, drop_type: str = "skip") -> CompiledProgram:
  """Returns a program after a look at its multiply-adds."""
  task = _task(token_keep_ratio=ratio, drop={"type": drop_type})
  program = _program(task)
  assert program.macs == pytest.approx(_step_macs(task), rel=0.02)
  return program


def _step_macs(task) -> float:
  """Returns what the cost model says of a step: a backward pass is two."""
  config = task.task_config
  encoder = config.model.encoder.any
  shape = encoder.shape(config.train_data)
  if isinstance(task, causal_lm.CausalLMTask):
    count = config.loss_count(shape.seq_length)
    shape = dataclasses.replace(shape, predictions=count)
  if isinstance(task, translation.TranslationTask):
    shape = dataclasses.replace(shape, decoder_plan=encoder.decoder_plan)
  macs = multiply_adds.token_drop_macs(shape, config.training_plan)
  return multiply_adds.PASSES * BATCH * macs


@pytest.mark.slow
@pytest.mark.parametrize(
  "encoder",
  [
    {"token_keep_k": 20, "drop_layer": 0, "restore_layer": 2},
    {"stages": STAGES, "drop_layer": None},
  ],
  ids=["count", "stages"],
)
def test_cost_model_counts_what_xla_does(encoder):
  task = _task(**encoder)
  assert _program(task).macs == pytest.approx(_step_macs(task), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
  "encoder",
  [{"token_keep_ratio": 1.0}, {}, {"stages": STAGES, "drop_layer": None}],
  ids=["dense", "half", "stages"],
)
def test_cost_model_counts_what_xla_does_of_modernbert(encoder):
  if "stages" in encoder:
    encoder = encoder | {"token_keep_ratio": None}
  task = _task(network="modernbert", local_attention=32, **encoder)
  assert _program(task).macs == pytest.approx(_step_macs(task), rel=0.02)


@pytest.mark.parametrize(
  ("positions", "encoder"),
  [
    pytest.param({}, {"token_keep_ratio": 1.0}, marks=pytest.mark.slow),
    pytest.param({"type": "random", "ratio": 0.25}, {}, marks=pytest.mark.slow),
    ({"type": "kept"}, {"token_keep_ratio": 0.25}),
    pytest.param({}, {"drop": {"type": "layerwise"}}, marks=pytest.mark.slow),
    pytest.param({}, FREQUENT, marks=pytest.mark.slow),
  ],
  ids=["dense", "positions", "kept", "layerwise", "threshold"],
)
def test_cost_model_counts_what_xla_does_of_gpt(positions, encoder):
  task = _causal_task(positions, **encoder)
  assert _program(task).macs == pytest.approx(_step_macs(task), rel=0.02)


@pytest.mark.parametrize(
  ("positions", "encoder"),
  [
    pytest.param({}, {"token_keep_ratio": 1.0}, marks=pytest.mark.slow),
    pytest.param({"type": "random", "ratio": 0.25}, {}, marks=pytest.mark.slow),
    pytest.param({}, {"drop": {"type": "layerwise"}}, marks=pytest.mark.slow),
    ({}, FREQUENT),
  ],
  ids=["dense", "positions", "layerwise", "threshold"],
)
def test_cost_model_counts_what_xla_does_of_a_decoder(positions, encoder):
  """Its window is of 16 tokens."""
  fields = {"network": "modernbert_decoder", "local_attention": 32} | encoder
  task = _causal_task(positions, **fields)
  assert _program(task).macs == pytest.approx(_step_macs(task), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
  "decoder_drop",
  [{}, {"token_keep_ratio": 0.5}, FREQUENT | {"token_keep_ratio": 0.5}],
  ids=["source", "both", "threshold"],
)
def test_cost_model_counts_what_xla_does_of_a_translation(decoder_drop):
  task = _translation_task(decoder_drop=decoder_drop)
  assert _program(task).macs == pytest.approx(_step_macs(task), rel=0.02)


@pytest.mark.parametrize(
  "drop_type",
  [
    kind if kind == "skip" else pytest.param(kind, marks=pytest.mark.slow)
    for kind in drop_types.TYPES
  ],
)
def test_cost_model_of_types_and_temporaries_that_shrink(drop_type):
  """What is left is the head, most of a small step, and all keys of context."""
  dense, dropping = _checked(1.0), _checked(0.5, drop_type)
  assert dense.temporary_bytes > 1e6
  assert dropping.temporary_bytes < 0.85 * dense.temporary_bytes
  assert dropping.branches == 0  # one shape


@pytest.mark.slow  # `task_test` compiles a schedule and compares its steps
@pytest.mark.parametrize(
  ("schedule", "interval", "kinds"),
  [
    ({"type": "linear", "num_ratios": 2, "train_steps": 90}, 0, 2),
    # Full passes and steps that compare are branches of their own.
    ({"full_interval": 4}, 10, 3),
  ],
)
def test_a_schedule_compiles_each_of_its_shapes_once(schedule, interval, kinds):
  task = _task(schedule, interval)
  steps = pretraining_config.schedule_of(task.task_config).kinds
  program = _program(task)
  assert program.branches == len(steps) == kinds
  macs = sum(multiply_adds.step_macs(SHAPE, step) for step in steps)
  expected = multiply_adds.PASSES * BATCH * macs
  assert program.macs == pytest.approx(expected, rel=0.02)
