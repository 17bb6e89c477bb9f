# SPDX-License-Identifier: Apache-2.0
"""The tensors of a Hugging Face folder, under one set of names.

Published folders differ: `bert.` before the names or not, `LayerNorm.gamma` and
`beta` from the first years, the masked-LM bias under one of two names.
"""

import os
from collections.abc import Callable

import numpy as np
from safetensors import numpy as safetensors_numpy

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import text_bytes
from token_dropping.huggingface import network as network_lib

TENSORS = "model.safetensors"
_OLD = "pytorch_model.bin"
_ENDINGS = (".safetensors", ".bin", ".index.json")
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def write(
  folder: str, tensors: dict[str, np.ndarray], network: network_lib.Network
) -> None:
  """Writes `model.safetensors`, a masked-LM bias under all of its names."""
  for name, first in network.biases.items():
    if first in tensors:
      tensors = tensors | {name: tensors[first]}
  content = safetensors_numpy.save(tensors, metadata={"format": "pt"})
  # Not `save_file`, which makes a file that only its owner may read.
  files.write(os.path.join(folder, TENSORS), content)


def read(folder: str, network: network_lib.Network) -> dict[str, np.ndarray]:
  """Reads tensors, named as those of a masked LM saved today.

  Floating-point numbers become float32; integers, as in quantized models, stay.
  """
  readers = {TENSORS: safetensors_numpy.load_file, _OLD: _read_pickle}
  for name, read_file in readers.items():
    path = os.path.join(folder, name)
    if os.path.exists(path):
      return _with_todays_names(_checked(read_file, path), network, path)
  others = [name for name in os.listdir(folder) if name.endswith(_ENDINGS)]
  raise errors.UserError(
    f"--input must hold all tensors in one {TENSORS} or {_OLD}. Received: "
    f"{folder!r} with {errors.shorten(sorted(others))}"
  )


def _checked(read_file: Callable, path: str) -> dict[str, np.ndarray]:
  kind = "no file"
  try:
    with open(path, "rb") as file:
      kind = text_bytes.describe(file.read(text_bytes.HEAD)) or "text"
    return read_file(path)
  except errors.UserError:
    raise
  except Exception as error:  # a broken file may raise any
    reason = errors.shorten(errors.first_line(error))
    raise errors.UserError(
      "--input must hold readable tensors, of types that NumPy has. Received: "
      f"{path!r}, which seems to be {kind} ({reason})"
    ) from error


def _read_pickle(path: str) -> dict[str, np.ndarray]:
  """Reads PyTorch's pickles; `weights_only` keeps code in them from running."""
  try:
    import torch
  except ImportError as error:
    raise errors.UserError(
      f"--input must hold {TENSORS} where PyTorch is not installed. "
      f"Received: {path!r}"
    ) from error
  tensors = torch.load(path, map_location="cpu", weights_only=True)
  return {
    # NumPy has no bfloat16.
    str(name): (tensor.float() if tensor.dtype == torch.bfloat16 else tensor)
    .detach()
    .numpy()
    for name, tensor in tensors.items()
  }


def _with_todays_names(
  tensors: dict, network: network_lib.Network, path: str
) -> dict[str, np.ndarray]:
  """Renames; checks that the output matrix is the embeddings."""
  prefix, named = network.encoder, {}
  if any(name.startswith(prefix) for name in tensors):
    prefix = ""
  for name, tensor in tensors.items():
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
    name = name.replace("LayerNorm.beta", "LayerNorm.bias")
    if name.startswith(network.parts):
      name = prefix + name
    rule = "a tensor must have one name"
    errors.require(name not in named, rule, f"{path!r} with two of {name}")
    is_float = tensor.dtype.name in _FLOATS
    named[name] = tensor.astype(np.float32) if is_float else tensor
  for name, first in network.biases.items():
    if name in named:
      named.setdefault(first, named[name])
  for name, other in network.second_names.items():
    errors.require(
      name not in named or np.array_equal(named[name], named.get(other)),
      f"{name} must be {other}: Model Garden's masked-LM head has no other",
      f"{path!r}, where they differ",
    )
  return named
