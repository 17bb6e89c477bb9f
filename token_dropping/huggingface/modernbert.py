# SPDX-License-Identifier: Apache-2.0
"""ModernBERT in `transformers`.

Version 5 writes rotations and kinds of layers in other fields than version 4;
a folder of ours has both.
"""

import tensorflow as tf
from official.nlp.modeling import models

from token_dropping.common import vocabulary
from token_dropping.huggingface import config_fields
from token_dropping.huggingface import network
from token_dropping.huggingface import weights
from token_dropping.models import activations
from token_dropping.models import span_labeler
from token_dropping.models.modernbert import config as modernbert_config
from token_dropping.models.modernbert import heads
from token_dropping.models.modernbert import masked_lm
from token_dropping.models.modernbert import network as modernbert_network

_TABLE = "embeddings.tok_embeddings.weight"
_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_EVERY = "global_attn_every_n_layers"
_DROPOUT, _OF_EMBEDDINGS = "mlp_dropout", "embedding_dropout"
# Our fields and those of version 4, by the kind of layer.
_THETAS = {_GLOBAL: "global_rope_theta", _LOCAL: "local_rope_theta"}


class ModernBert(network.EncoderNetwork):
  """ModernBERT without biases, whose heads have the exact GELU."""

  model_type, classes, title = "modernbert", "ModernBert", "ModernBERT"
  about = "An ordinary ModernBERT: `transformers` loads it without other code."
  config_class = modernbert_config.ModernBertConfig
  encoder, table, layer = "model.", _TABLE, "layers."
  parts = ("embeddings.", "layers.", "final_norm.")
  tensor_sizes = {
    "vocab_size": (_TABLE, 0),
    "hidden_size": (_TABLE, 1),
    "intermediate_size": ("layers.0.mlp.Wo.weight", 1),
  }
  head, output_matrix = "decoder.", "decoder.weight"
  head_activation = activations.EXACT_GELU
  fractions = {
    "dropout_rate": _DROPOUT,
    "attention_dropout_rate": "attention_dropout",
    "initializer_range": "initializer_range",
  }
  activations = {"hidden_activation": "hidden_activation"}
  fixed = {
    "attention_bias": False,
    "mlp_bias": False,
    "norm_bias": False,
    "classifier_bias": False,
    "decoder_bias": True,
    "classifier_activation": "gelu",
    "tie_word_embeddings": True,
  }
  unset = ("rope_scaling",)
  tokenizer_fields = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    # Without types, which its models do not take.
    "model_input_names": ["input_ids", "attention_mask"],
  }

  def of_encoder(
    self, encoder: modernbert_network.ModernBert
  ) -> network.Weights:
    prefix = f"{self.encoder}embeddings."
    norms = {
      f"{prefix}norm": encoder._embedding_norm_layer,
      f"{self.encoder}final_norm": encoder._final_norm_layer,
    }
    table = weights.same(encoder.get_embedding_table())
    found = {f"{self.encoder}{self.table}": table}
    width = encoder.get_embedding_table().shape[1]
    for index, layer in enumerate(encoder.transformer_layers):
      prefix = f"{self.encoder}{self.layer}{index}."
      inside = layer.feed_forward.input_kernel
      found |= self.of_inputs(f"{prefix}attn.", layer.attention.qkv_kernel)
      kernels = {
        "attn.Wo": (layer.attention.output_kernel, width),
        "mlp.Wi": (inside, inside.shape[1]),
        "mlp.Wo": (layer.feed_forward.output_kernel, width),
      }
      for name, kernel in kernels.items():
        found[f"{prefix}{name}.weight"] = weights.of_kernel(*kernel)
      norms[f"{prefix}mlp_norm"] = layer.feed_forward_norm
      if layer.attention_norm is not None:
        norms[f"{prefix}attn_norm"] = layer.attention_norm
    for name, norm in norms.items():
      found |= weights.of_norm(name, norm)
    return found

  def of_inputs(self, prefix: str, kernel: tf.Variable) -> network.Weights:
    """Maps the kernel of queries, keys and values."""
    width = kernel.shape[0]
    return {f"{prefix}Wqkv.weight": weights.of_kernel(kernel, 3 * width)}

  def of_masked_lm(self, head: masked_lm.ModernBertMaskedLM) -> network.Weights:
    bias = weights.same(head.bias)
    return of_head("head.", head) | {"decoder.bias": bias}

  def of_classifier(self, model: models.BertClassifier) -> network.Weights:
    return _of_prediction_head(model.classifier)

  def of_span_labeler(self, model: span_labeler.SpanLabeler) -> network.Weights:
    return _of_prediction_head(model.span_labeling)

  def token_ids(self, words) -> dict[str, int]:
    start, end = words.id(vocabulary.CLS), words.id(vocabulary.SEP)
    return super().token_ids(words) | {
      "bos_token_id": start,
      "cls_token_id": start,
      "eos_token_id": end,
      "sep_token_id": end,
    }

  def to_json(self, config, head, words) -> dict:
    thetas = {kind: getattr(config, name) for kind, name in _THETAS.items()}
    return super().to_json(config, head, words) | {
      _OF_EMBEDDINGS: config.dropout_rate,
      "norm_eps": config.norm_eps,
      "classifier_pooling": "cls",
      "local_attention": config.local_attention,
      "layer_types": _layer_types(config.num_layers, config.global_every),
      "rope_parameters": {
        kind: {"rope_type": "default", "rope_theta": theta}
        for kind, theta in thetas.items()
      },
      _EVERY: config.global_every,
      **{_THETAS[kind]: theta for kind, theta in thetas.items()},
    }

  def own_fields(self, fields: config_fields.Fields) -> dict:
    default = self.config_class()
    epsilon = fields.content.get("norm_eps", default.norm_eps)
    window = fields.size("local_attention", default.local_attention)
    half = fields.content.get("sliding_window", window // 2)
    rule = f"half of local_attention ({window})"
    fields.require(half == window // 2, "sliding_window", rule, half)
    fields.check_same(_OF_EMBEDDINGS, _DROPOUT)
    return {
      "local_attention": window,
      "norm_eps": fields.positive("norm_eps", epsilon),
      "global_every": _read_global_every(fields, default.global_every),
      **{
        name: _read_theta(fields, kind, getattr(default, name))
        for kind, name in _THETAS.items()
      },
    }


def of_head(prefix: str, head) -> network.Weights:
  """Maps what all heads begin with."""
  dense, norm = head.dense.kernel, head.layer_norm
  kernel = weights.of_kernel(dense, dense.shape[1])
  named = {f"{prefix}dense.weight": kernel}
  return named | weights.of_norm(f"{prefix}norm", norm)


def _of_prediction_head(head: heads.PredictionHead) -> network.Weights:
  classifier = weights.of_dense("classifier", head.classifier)
  return of_head("head.", head) | classifier


def _layer_types(layers: int, every: int) -> list[str]:
  return [_LOCAL if index % every else _GLOBAL for index in range(layers)]


def _read_global_every(fields: config_fields.Fields, default: int) -> int:
  """Reads it, or finds it in the kinds of the layers; both must agree."""
  layers, kinds = fields.size("num_hidden_layers"), "layer_types"
  found, every = fields.content.get(kinds), default
  if _EVERY in fields.content:
    every = fields.size(_EVERY)
  elif isinstance(found, list):
    later = (i for i, kind in enumerate(found) if i and kind == _GLOBAL)
    every = next(later, layers)
  rule = f"{_GLOBAL} in every layer that {every} divides, else {_LOCAL}"
  fits = isinstance(found, list) and len(found) == layers
  fits = fits and found == _layer_types(layers, every)
  fields.require(found is None or fits, kinds, rule, found)
  return every


def _read_theta(
  fields: config_fields.Fields, kind: str, default: float
) -> float:
  """Reads that of a kind of layer, in the field of either version."""
  name, rotations = _THETAS[kind], fields.content.get("rope_parameters")
  theta = fields.content.get(name, default)
  if rotations is not None:
    name, own = "rope_parameters", None
    if isinstance(rotations, dict):
      own = rotations.get(kind)
    is_plain = isinstance(own, dict) and own.get("rope_type") == "default"
    is_plain = is_plain and own.keys() <= {"rope_type", "rope_theta"}
    fields.require(is_plain, name, "without scaling, for both kinds", rotations)
    theta = own.get("rope_theta", default)
  return fields.positive(name, theta)
