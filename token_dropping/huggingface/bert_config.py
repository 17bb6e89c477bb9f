# SPDX-License-Identifier: Apache-2.0
"""`config.json` of a Hugging Face BERT from an encoder's config, and back."""

from official.nlp.configs import encoders

from token_dropping.common import errors
from token_dropping.models import activations
from token_dropping.models import encoder_config

LAYER_NORM_EPSILON = 1e-12  # Model Garden's BERT has no other

# Model Garden's `gelu` is the tanh form, which `transformers` calls `gelu_new`.
_TO_HIDDEN_ACT = {
  "gelu": "gelu_new",
  activations.EXACT_GELU: "gelu",
  "relu": "relu",
  "swish": "silu",
}
_FROM_HIDDEN_ACT = {there: here for here, there in _TO_HIDDEN_ACT.items()} | {
  "gelu_pytorch_tanh": "gelu",
  "swish": "swish",
}
_SIZES = {
  # Model Garden's field, that of `transformers`.
  "vocab_size": "vocab_size",
  "hidden_size": "hidden_size",
  "num_layers": "num_hidden_layers",
  "num_attention_heads": "num_attention_heads",
  "intermediate_size": "intermediate_size",
  "max_position_embeddings": "max_position_embeddings",
  "type_vocab_size": "type_vocab_size",
}
_FRACTIONS = {
  "dropout_rate": "hidden_dropout_prob",
  "attention_dropout_rate": "attention_probs_dropout_prob",
  "initializer_range": "initializer_range",
}
# Anything but these values makes another network than Model Garden's BERT.
_FIXED = {
  "layer_norm_eps": LAYER_NORM_EPSILON,
  "position_embedding_type": "absolute",
  "is_decoder": False,
  "add_cross_attention": False,
  "tie_word_embeddings": True,
}


def to_json(
  config: encoders.BertEncoderConfig, architecture: str, pad_id: int
) -> dict:
  """Returns the content of `config.json`.

  Args:
    config: of the encoder.
    architecture: name of a class of `transformers`, such as `BertForMaskedLM`.
    pad_id: id of `[PAD]`.

  Raises:
    UserError: the encoder is no BERT in the form of `transformers`.
  """
  fields = {
    "architectures": [architecture],
    "model_type": "bert",
    "hidden_act": _hidden_act(config.hidden_activation),
    "pad_token_id": pad_id,
    "dtype": "float32",
    **_FIXED,
  }
  for here, there in (_SIZES | _FRACTIONS).items():
    fields[there] = getattr(config, here)
  _check_network(config)
  return fields


def label_fields(labels: list[str]) -> dict:
  """Returns what `config.json` of a classifier says besides.

  Args:
    labels: names of the classes; a single one is a regression.
  """
  one = len(labels) == 1
  return {
    "problem_type": "regression" if one else "single_label_classification",
    "id2label": {str(index): name for index, name in enumerate(labels)},
    "label2id": {name: index for index, name in enumerate(labels)},
  }


def from_json(
  content: dict, source: str
) -> encoder_config.TokenDropEncoderConfig:
  """Returns the config of the encoder that a `config.json` describes.

  Args:
    content: of `config.json`.
    source: its path, for messages.

  Returns:
    The config; token dropping has its defaults, and is off where there are too
    few layers for it.

  Raises:
    UserError: not a BERT, or not one that Model Garden's encoder can be.
  """
  _check_kind(content, source)
  for name, value in _FIXED.items():
    if content.get(name, value) != value:
      raise errors.UserError(
        f"{name} in {source} must be {value}. Received: {content[name]!r}"
      )
  fields = {
    "hidden_activation": _hidden_activation(content.get("hidden_act"), source)
  }
  for here, there in _SIZES.items():
    fields[here] = _size(content, there, source)
  for here, there in _FRACTIONS.items():
    if there in content:
      fields[here] = _fraction(content, there, source)
  _check_heads(fields, source)
  if fields["num_layers"] < 2:
    fields["token_keep_ratio"] = 1.0
  return encoder_config.TokenDropEncoderConfig(**fields)


def _check_network(config: encoders.BertEncoderConfig) -> None:
  """Refuses what `transformers`' BERT cannot compute."""
  if config.norm_first:
    raise errors.UserError(
      "task.model.encoder norm_first must be false: Hugging Face's BERT "
      "normalizes after each block. Received: true"
    )
  if config.embedding_size not in (None, config.hidden_size):
    raise errors.UserError(
      "task.model.encoder embedding_size must be hidden_size "
      f"({config.hidden_size}): Hugging Face's BERT does not project "
      f"embeddings. Received: {config.embedding_size}"
    )


def _hidden_act(name: str) -> str:
  if name not in _TO_HIDDEN_ACT:
    raise errors.UserError(
      "hidden_activation must be one of "
      f"{', '.join(_TO_HIDDEN_ACT)} to be exported. Received: {name!r}"
    )
  return _TO_HIDDEN_ACT[name]


def _hidden_activation(name, source: str) -> str:
  if name not in _FROM_HIDDEN_ACT:
    raise errors.UserError(
      f"hidden_act in {source} must be one of {', '.join(_FROM_HIDDEN_ACT)}. "
      f"Received: {name!r}"
    )
  return _FROM_HIDDEN_ACT[name]


def _check_kind(content: dict, source: str) -> None:
  """Refuses other models; the oldest BERTs have no `model_type`."""
  kind = content.get("model_type")
  classes = content.get("architectures") or [""]
  if kind == "bert" or (kind is None and str(classes[0]).startswith("Bert")):
    return
  raise errors.UserError(
    f"model_type in {source} must be 'bert'. Received: {kind!r}"
  )


def _size(content: dict, name: str, source: str) -> int:
  value = content.get(name)
  if type(value) is not int or value < 1:
    raise errors.UserError(
      f"{name} in {source} must be a whole number, at least 1. "
      f"Received: {value!r}"
    )
  return value


def _fraction(content: dict, name: str, source: str) -> float:
  value = content[name]
  if type(value) not in (int, float) or not 0 <= value < 1:
    raise errors.UserError(
      f"{name} in {source} must be in [0, 1). Received: {value!r}"
    )
  return float(value)


def _check_heads(fields: dict, source: str) -> None:
  width, heads = fields["hidden_size"], fields["num_attention_heads"]
  if width % heads:
    raise errors.UserError(
      f"hidden_size in {source} must be a multiple of num_attention_heads "
      f"({heads}). Received: {width}"
    )
