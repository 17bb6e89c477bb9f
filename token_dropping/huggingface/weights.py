# SPDX-License-Identifier: Apache-2.0
"""Which weight of a Model Garden BERT is which tensor of a Hugging Face folder.

A Keras kernel is [inputs, outputs], a PyTorch weight [outputs, inputs]; in
attention, Model Garden splits D into [heads, D / heads].
"""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
import tf_keras
from official.nlp.modeling import layers
from official.nlp.modeling import models
from official.nlp.modeling import networks

from token_dropping.common import errors
from token_dropping.huggingface import network_types

_SPAN_DENSE = "predictions/transform/logits"
_LAYER = "encoder.layer."
# Sizes in `config.json`, by the encoder's matrix and the axis that has them.
_SIZES = {
  "vocab_size": ("embeddings.word_embeddings.weight", 0),
  "hidden_size": ("embeddings.word_embeddings.weight", 1),
  "max_position_embeddings": ("embeddings.position_embeddings.weight", 0),
  "type_vocab_size": ("embeddings.token_type_embeddings.weight", 0),
  "intermediate_size": (f"{_LAYER}0.intermediate.dense.weight", 0),
}
_CONSTANTS = ("embeddings.position_ids", "embeddings.token_type_ids")
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Weight:
  """A variable and the shape of the tensor that it is elsewhere.

  The tensor of a kernel is the transpose of the variable, taken as a matrix.
  That of a table may have rows before `first_row` that nothing reads.
  """

  variable: tf.Variable
  shape: tuple[int, ...]
  is_kernel: bool = False
  first_row: int = 0

  def to_tensor(self) -> np.ndarray:
    value = self.variable.numpy()
    if self.is_kernel:
      return np.ascontiguousarray(value.reshape(self.shape[::-1]).T)
    if self.first_row:
      value = np.pad(value, ((self.first_row, 0), (0, 0)))
    return value.reshape(self.shape)

  def assign(self, tensor: np.ndarray) -> None:
    value = tensor.T if self.is_kernel else tensor[self.first_row :]
    self.variable.assign(value.reshape(self.variable.shape))


Weights = dict[str, Weight]


def of_model(
  model: tf_keras.Model, network: network_types.NetworkType
) -> Weights:
  """Maps a built `BertPretrainerV2`, `BertClassifier` or `BertSpanLabeler`.

  A `BertClassifier` without `use_encoder_pooler` has a pooler of its own.
  """
  pooler, pooler_name = None, f"{network.encoder}pooler.dense"
  if isinstance(model, models.BertPretrainerV2):
    head = _of_masked_lm(model.masked_lm, network)
  elif isinstance(model, models.BertClassifier):
    head = _of_dense(network.classifier, model.classifier.out_proj)
    pooler = model.classifier.dense if model.classifier.inner_dim else None
    pooler_name = network.classifier_pooler
  elif isinstance(model, models.BertSpanLabeler):
    head = _of_dense("qa_outputs", model.span_labeling.get_layer(_SPAN_DENSE))
  else:
    raise TypeError(f"no map for a {type(model).__name__}")
  encoder = model.checkpoint_items["encoder"]
  pooler = _of_dense(pooler_name, pooler or encoder.pooler_layer)
  return of_encoder(encoder, network) | pooler | head


def of_encoder(
  encoder: networks.BertEncoderV2, network: network_types.NetworkType
) -> Weights:
  """Maps a built encoder, token dropping or not, without its pooler."""
  prefix = f"{network.encoder}embeddings."
  norm = encoder._embedding_norm_layer
  embeddings = {
    "word": _same(encoder.get_embedding_table()),
    "position": _same(
      encoder._position_embedding_layer.weights[0], network.first_position
    ),
    "token_type": _same(encoder._type_embedding_layer.embeddings),
  }
  weights = {
    f"{prefix}{name}_embeddings.weight": table
    for name, table in embeddings.items()
  } | _of_norm(f"{prefix}LayerNorm", norm)
  for index, block in enumerate(encoder.transformer_layers):
    weights |= _of_block(f"{network.encoder}{_LAYER}{index}.", block, network)
  if network.final_norm:
    name = f"{network.encoder}{network.final_norm}"
    weights |= _of_norm(name, encoder.final_norm)
  return weights


def _of_masked_lm(
  head: layers.MaskedLM, network: network_types.NetworkType
) -> Weights:
  """Its matrix is the encoder's embeddings."""
  return {
    network.bias_names[0]: _same(head.bias),
    **_of_dense(f"{network.head}{network.head_dense}", head.dense),
    **_of_norm(f"{network.head}{network.head_norm}", head.layer_norm),
  }


def to_tensors(weights: Weights) -> dict[str, np.ndarray]:
  """Returns all values, float32 arrays by tensor name."""
  return {name: weight.to_tensor() for name, weight in weights.items()}


def sizes(
  tensors: dict[str, np.ndarray],
  network: network_types.NetworkType,
  source: str,
) -> dict[str, int]:
  """Returns what `config.json` must say of tensors, by its fields' names."""
  prefix = network.encoder
  names = sorted({f"{prefix}{name}" for name, _ in _SIZES.values()})
  _require_all(names, tensors, source)
  for name in names:
    rule = f"{name} in {source} must be a matrix"
    errors.require(tensors[name].ndim == 2, rule, tensors[name].shape)
  layer = f"{prefix}{_LAYER}"
  layers = {name.split(".")[3] for name in tensors if name.startswith(layer)}
  found = {"num_hidden_layers": len(layers)}
  for key, (name, axis) in _SIZES.items():
    found[key] = tensors[f"{prefix}{name}"].shape[axis]
  return found


def assign(
  weights: Weights,
  tensors: dict,
  network: network_types.NetworkType,
  source: str,
) -> list[str]:
  """Sets all weights, or none; returns the names of other heads' tensors.

  Raises `UserError` for tensors that are missing, misshapen, quantized or not
  finite, and for those of the encoder or the masked-LM head that have no place.
  """
  _require_all(weights, tensors, source)
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
  known = {f"{network.encoder}{name}" for name in _CONSTANTS}
  known |= weights.keys() | network.second_names.keys()
  others = [name for name in tensors if name not in known]
  ours = [n for n in others if n.startswith((network.encoder, network.head))]
  errors.require(
    not ours,
    "a BERT must have no tensors besides those of its config",
    f"{source} with {listed(ours)}",
  )
  for name, weight in weights.items():
    weight.assign(tensors[name])
  return others


def _require_all(names: Iterable[str], tensors: dict, source: str) -> None:
  missing = [name for name in names if name not in tensors]
  errors.require(
    not missing,
    "a BERT must have all tensors of its config",
    f"{source} without {listed(missing)}",
  )


def listed(names: list[str]) -> str:
  """Returns the first names, and how many more there are."""
  more = f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else ""
  return ", ".join(names[:_SHOWN]) + more


def _of_block(
  prefix: str,
  block: layers.TransformerEncoderBlock,
  network: network_types.NetworkType,
) -> Weights:
  attention = block._attention_layer
  return {
    **_of_dense(f"{prefix}attention.self.query", attention._query_dense),
    **_of_dense(f"{prefix}attention.self.key", attention._key_dense),
    **_of_dense(f"{prefix}attention.self.value", attention._value_dense),
    **_of_dense(f"{prefix}attention.output.dense", attention._output_dense),
    **_of_dense(f"{prefix}intermediate.dense", block._intermediate_dense),
    **_of_dense(f"{prefix}output.dense", block._output_dense),
    **_of_norm(
      f"{prefix}{network.attention_norm}", block._attention_layer_norm
    ),
    **_of_norm(f"{prefix}{network.output_norm}", block._output_layer_norm),
  }


def _of_dense(name: str, layer: tf_keras.layers.Layer) -> Weights:
  outputs = math.prod(layer.bias.shape)
  inputs = math.prod(layer.kernel.shape) // outputs
  return {
    f"{name}.weight": Weight(layer.kernel, (outputs, inputs), is_kernel=True),
    f"{name}.bias": Weight(layer.bias, (outputs,)),
  }


def _of_norm(name: str, layer: tf_keras.layers.LayerNormalization) -> Weights:
  return {
    f"{name}.weight": _same(layer.gamma),
    f"{name}.bias": _same(layer.beta),
  }


def _same(variable: tf.Variable, first_row: int = 0) -> Weight:
  rows, *width = variable.shape
  return Weight(variable, (first_row + rows, *width), first_row=first_row)
