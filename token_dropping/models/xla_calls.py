# SPDX-License-Identifier: Apache-2.0
"""What TensorFlow has no operation for, as StableHLO inside a compiled step.

The text is parsed, and the branch chosen, when the step is compiled: no other
branch is in the program. Shapes are static.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

_VERSION = 9  # of calls of modules; TensorFlow 2.20 knows 10
_ELEMENTS = {
  tf.bfloat16: "bf16",
  tf.float16: "f16",
  tf.float32: "f32",
  tf.int32: "i32",
  tf.uint8: "ui8",
  tf.bool: "i1",
}
_CPU, _GPU = "CPU", "CUDA"
_platforms = (_CPU, _GPU)  # in the order of the branches


@contextlib.contextmanager
def as_on_gpu() -> Iterator[None]:
  """Lets a machine without a GPU trace programs that are for one.

  They can be read, or compiled elsewhere; they do not run here.
  """
  global _platforms
  _platforms = (_GPU, _CPU)
  try:
    yield
  finally:
    _platforms = (_CPU, _GPU)


def by_platform(
  on_cpu: Callable, on_gpu: Callable, *operands: tf.Tensor
) -> tuple[tf.Tensor, ...]:
  """Calls one of two functions of the operands, by what the step runs on.

  Both return a list of tensors, of the same shapes and types, and use nothing
  but the operands: no variables either.
  """
  specs = [tf.TensorSpec(value.shape, value.dtype) for value in operands]
  functions = [
    tf.function(each, autograph=False).get_concrete_function(*specs)
    for each in (on_cpu, on_gpu)
  ]
  results = functions[0].outputs
  names = ", ".join(f"%{index}" for index in range(len(operands)))
  types = f"({_types(operands)}) -> ({_types(results)})"
  returned = ", ".join(f"%r#{index}" for index in range(len(results)))
  branches = ", ".join(
    f"""{{
      %r:{len(results)} = stablehlo.custom_call @tf.call_tf_function({names}) {{
        api_version = 2 : i32, has_side_effect = false,
        tf.backend_config = {{
          called_index = {index} : i64, has_token_input_output = false}}
      }} : {types}
      stablehlo.return {returned} : {_types(results)}
    }}"""
    for index in range(2)
  )
  body = f"""
    %r:{len(results)} = "stablehlo.case"(%platform) ({branches})
      : (tensor<i32>) -> ({_types(results)})"""
  return xla.call_module(
    operands,
    version=_VERSION,
    module=_module(body, ["%platform: tensor<i32>"], operands, results),
    Tout=[value.dtype for value in results],
    Sout=[value.shape for value in results],
    platforms=_platforms,
    function_list=functions,
  )


def custom_call(
  target: str,
  operands: Sequence[tf.Tensor],
  results: Sequence[tf.TensorSpec],
  layouts: Sequence[Sequence[int]],
  config: dict,
) -> tuple[tf.Tensor, ...]:
  """Calls what XLA has for a GPU under a name.

  `layouts` are those of the results, the axis that changes quickest first;
  the operands lie row by row. `config` is the target's backend config.
  """
  text = json.dumps(json.dumps(config))
  rows = ", ".join(_layout(range(len(v.shape))[::-1]) for v in operands)
  names = ", ".join(f"%{index}" for index in range(len(operands)))
  body = f"""
    %r:{len(results)} = stablehlo.custom_call @{target}({names}) {{
      backend_config = {text}, api_version = 2 : i32,
      operand_layouts = [{rows}],
      result_layouts = [{", ".join(map(_layout, layouts))}]
    }} : ({_types(operands)}) -> ({_types(results)})"""
  return xla.call_module(
    operands,
    version=_VERSION,
    module=_module(body, [], operands, results),
    Tout=[value.dtype for value in results],
    Sout=[value.shape for value in results],
    platforms=_platforms[1:],
  )


def _module(body: str, first: list[str], operands, results) -> str:
  """Returns the text of a module; `body` makes the results `%r`."""
  types = [_type(value) for value in operands]
  named = [f"%{index}: {text}" for index, text in enumerate(types)]
  returned = ", ".join(f"%r#{index}" for index in range(len(results)))
  return f"""module {{
  func.func public @main({", ".join([*first, *named])})
      -> ({_types(results)}) {{{body}
    return {returned} : {_types(results)}
  }}
}}"""


def _types(values) -> str:
  return ", ".join(map(_type, values))


def _type(value: tf.Tensor | tf.TensorSpec) -> str:
  parts = [*map(str, value.shape), _ELEMENTS[value.dtype]]
  return f"tensor<{'x'.join(parts)}>"


def _layout(axes: Sequence[int]) -> str:
  return f"dense<{list(axes)}> : tensor<{len(axes)}xindex>"
