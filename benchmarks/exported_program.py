# SPDX-License-Identifier: Apache-2.0
"""A compiled program in a folder, to be run where there is no TensorFlow.

- `program.hlo.gz`: a function before XLA fits it to a device, as an
  `HloModuleProto`, which later versions of XLA read too.
- `meta.json`: what the program is, and its parameters in their order: the
  inputs by name, then what it has captured, variables above all.
- `values.npz`: `before_I` for a parameter I whose values matter. The others
  have a mean and a deviation in `meta.json`.
"""

import gzip
import json
import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

_SMALL = 4096  # values


class Program:
  """A `tf.function`, compiled by XLA, of tensors by name; traced when made.

  `parameters` has the inputs in their order, then resources and constants.
  """

  def __init__(self, function, inputs: Mapping[str, tf.Tensor]):
    inputs = dict(inputs)
    self._concrete = function.get_concrete_function(inputs)
    self._lower = function.experimental_get_compiler_ir(inputs)
    captured = self._concrete.captured_inputs
    self.parameters = [*tf.nest.flatten(inputs), *captured]
    self._inputs = sorted(inputs)
    self._function = function  # its variables live as long as it does

  def lower(self) -> bytes:
    """Returns the program, compressed; asks no device."""
    return gzip.compress(self._lower(stage="hlo_serialized"), 6)

  def names(self) -> list[str]:
    """Returns the names of the parameters."""
    variables = self._concrete.graph.variables
    names = {id(each.handle): each.name for each in variables}
    captured = self.parameters[len(self._inputs) :]
    captured = [names.get(id(each), "unnamed") for each in captured]
    return [*self._inputs, *captured]

  def read(self) -> list[np.ndarray]:
    """Returns the values of the parameters now."""
    return [_value(each) for each in self.parameters]


def write(
  folder: pathlib.Path,
  program: bytes,
  values: Mapping[str, np.ndarray],
  about: Mapping,
) -> None:
  """Writes the files into a folder, which is made."""
  folder.mkdir(parents=True, exist_ok=True)
  (folder / "program.hlo.gz").write_bytes(program)
  np.savez_compressed(folder / "values.npz", **values)
  (folder / "meta.json").write_text(json.dumps(about, indent=1) + "\n")


def is_small(value: np.ndarray) -> bool:
  """Whether values are few, or whole numbers: they are kept as they are."""
  return value.size < _SMALL or value.dtype.kind in "iub"


def describe(name: str, value: np.ndarray) -> dict:
  """Returns what `meta.json` says of a parameter."""
  about = {"name": name, "shape": value.shape, "dtype": value.dtype.name}
  if not is_small(value):
    about["mean"] = float(np.mean(value, dtype=np.float64))
    about["deviation"] = float(np.std(value, dtype=np.float64))
  return about


def _value(parameter: tf.Tensor) -> np.ndarray:
  """Returns what a variable holds, or a tensor."""
  if parameter.dtype != tf.resource:
    return parameter.numpy()
  dtype = tf.dtypes.as_dtype(parameter._handle_data.shape_and_type[0].dtype)
  return tf.raw_ops.ReadVariableOp(resource=parameter, dtype=dtype).numpy()
