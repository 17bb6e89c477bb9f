# SPDX-License-Identifier: Apache-2.0
"""Variables of Keras, and the tensors of a Hugging Face folder that they are.

A Keras kernel is [inputs, outputs], a PyTorch weight [outputs, inputs]; in
attention, our networks split D into [heads, D / heads].
"""

import dataclasses
import math
from collections.abc import Collection, Iterable

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.common import errors

_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Weight:
  """A variable and the shape of the tensor that it is elsewhere.

  The tensor of a kernel is the transpose of the variable, taken as a matrix; of
  a variable of several kernels it is one, at `index` on the second axis. That
  of a table may have rows before `first_row` that nothing reads.
  """

  variable: tf.Variable
  shape: tuple[int, ...]
  is_kernel: bool = False
  first_row: int = 0
  index: int | None = None

  def to_tensor(self) -> np.ndarray:
    value = self.variable.numpy()
    if self.index is not None:
      value = value[:, self.index]
    if self.is_kernel:
      return np.ascontiguousarray(value.reshape(self.shape[::-1]).T)
    if self.first_row:
      value = np.pad(value, ((self.first_row, 0), (0, 0)))
    return value.reshape(self.shape)

  def assign(self, tensor: np.ndarray) -> None:
    value = tensor.T if self.is_kernel else tensor[self.first_row :]
    if self.index is None:
      self.variable.assign(value.reshape(self.variable.shape))
    else:
      place = self.variable[:, self.index]
      place.assign(value.reshape(place.shape))


@dataclasses.dataclass(frozen=True)
class Constant:
  """A tensor that is always the same: ours compute with no such weight."""

  value: np.ndarray

  @property
  def shape(self) -> tuple[int, ...]:
    return self.value.shape

  def to_tensor(self) -> np.ndarray:
    return self.value

  def assign(self, tensor: np.ndarray) -> None:
    """Leaves it as it is."""


@dataclasses.dataclass(frozen=True)
class Joined:
  """Weights that are one tensor elsewhere, side by side."""

  parts: tuple[Weight, ...]

  @property
  def shape(self) -> tuple[int, ...]:
    *rows, width = self.parts[0].shape
    return (*rows, width * len(self.parts))

  def to_tensor(self) -> np.ndarray:
    return np.concatenate([part.to_tensor() for part in self.parts], axis=-1)

  def assign(self, tensor: np.ndarray) -> None:
    split = np.split(tensor, len(self.parts), axis=-1)
    for part, own in zip(self.parts, split, strict=True):
      part.assign(own)


Weights = dict[str, Weight | Joined | Constant]


def of_kernel(variable: tf.Variable, outputs: int) -> Weight:
  """Maps the matrix to a number of outputs, over one axis or several."""
  inputs = math.prod(variable.shape) // outputs
  return Weight(variable, (outputs, inputs), is_kernel=True)


def of_kernels(variable: tf.Variable) -> list[Weight]:
  """Maps the kernels that a variable has side by side on its second axis."""
  inputs, count, *outputs = variable.shape
  shape = math.prod(outputs), inputs
  return [
    Weight(variable, shape, is_kernel=True, index=index)
    for index in range(count)
  ]


def of_dense(name: str, layer: tf_keras.layers.Layer) -> Weights:
  """Maps a layer with a bias."""
  outputs = math.prod(layer.bias.shape)
  return {
    f"{name}.weight": of_kernel(layer.kernel, outputs),
    f"{name}.bias": Weight(layer.bias, (outputs,)),
  }


def of_conv1d(name: str, *layers: tf_keras.layers.Layer) -> Weights:
  """Maps layers of one width to GPT-2's matrix, [inputs, outputs], and bias."""
  kernels, biases = [], []
  for layer in layers:
    outputs = math.prod(layer.bias.shape)
    inputs = math.prod(layer.kernel.shape) // outputs
    kernels.append(Weight(layer.kernel, (inputs, outputs)))
    biases.append(Weight(layer.bias, (outputs,)))
  return {
    f"{name}.weight": Joined(tuple(kernels)),
    f"{name}.bias": Joined(tuple(biases)),
  }


def of_norm(name: str, layer: tf_keras.layers.LayerNormalization) -> Weights:
  """Maps a norm, with a bias or without one."""
  weights = {f"{name}.weight": same(layer.gamma)}
  return weights | ({f"{name}.bias": same(layer.beta)} if layer.center else {})


def same(variable: tf.Variable, first_row: int = 0) -> Weight:
  """Maps a variable whose axes are those of the tensor."""
  rows, *width = variable.shape
  return Weight(variable, (first_row + rows, *width), first_row=first_row)


def to_tensors(weights: Weights) -> dict[str, np.ndarray]:
  """Returns all values, float32 arrays by tensor name."""
  return {name: weight.to_tensor() for name, weight in weights.items()}


def assign(weights: Weights, tensors: dict, title: str, source: str) -> None:
  """Sets all weights, or none.

  Raises `UserError` for tensors of a network, by its title, that are missing,
  misshapen, quantized or not finite.
  """
  require_all(weights, tensors, title, source)
  for name, weight in weights.items():
    tensor, wanted = tensors[name], list(weight.shape)
    rule = f"{name} must have the shape that config.json gives, {wanted}"
    received = f"{list(tensor.shape)} in {source}"
    errors.require(tensor.shape == weight.shape, rule, received)
    rule = f"{name} must be of 16, 32 or 64 bits floating point"
    kind = f"{tensor.dtype} in {source}"
    errors.require(tensor.dtype == np.float32, rule, kind)
    rule = f"{name} must be finite"
    received = f"NaN or Inf in {source}"
    errors.require(np.isfinite(tensor).all(), rule, received)
    if isinstance(weight, Constant):
      is_known = np.allclose(tensor, weight.value, atol=1e-6)
      rule = f"{name} must be what a {title} computes with, which learns none"
      errors.require(is_known, rule, f"others in {source}")
  for name, weight in weights.items():
    weight.assign(tensors[name])


def require_all(
  names: Iterable[str], tensors: Collection[str], title: str, source: str
) -> None:
  """Refuses tensors without some of the names."""
  missing = [name for name in names if name not in tensors]
  errors.require(
    not missing,
    f"a {title} must have all tensors of its config",
    f"{source} without {listed(missing)}",
  )


def listed(names: list[str]) -> str:
  """Returns the first names, and how many more there are."""
  more = f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else ""
  return ", ".join(names[:_SHOWN]) + more
