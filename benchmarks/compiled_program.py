# SPDX-License-Identifier: Apache-2.0
"""What XLA compiled a function to, read from XLA's own program.

These figures do not depend on how fast or how busy the machine is.
"""

import math

from tensorflow.compiler.xla.service import hlo_pb2


class CompiledProgram:
  """The optimized program of a function, and its memory.

  Args:
    function: a `tf.function` with `jit_compile=True`.
    *args: what it is called with.

  Example:

  >>> import tensorflow as tf
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
      each.size
      for each in self._proto.buffer_assignment.buffer_allocations
      if not (
        each.is_entry_computation_parameter
        or each.maybe_live_out
        or each.is_constant
        or each.is_thread_local
      )
    )

  def _computations(self):
    """Yields the shapes by instruction, and the instructions."""
    for computation in self._proto.hlo_module.computations:
      instructions = computation.instructions
      shapes = {each.id: each.shape.dimensions for each in instructions}
      yield shapes, instructions


def _dot_macs(instruction, shapes: dict) -> int:
  left = shapes[instruction.operand_ids[0]]
  axes = instruction.dot_dimension_numbers.lhs_contracting_dimensions
  summed = math.prod(left[axis] for axis in axes)
  return math.prod(instruction.shape.dimensions) * summed
