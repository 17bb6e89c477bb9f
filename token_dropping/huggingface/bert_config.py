# SPDX-License-Identifier: Apache-2.0
"""`config.json` of a Hugging Face folder from an encoder's config, and back."""

from official.nlp.configs import encoders

from token_dropping.common import errors
from token_dropping.huggingface import network_types
from token_dropping.models import activations
from token_dropping.models.bert import encoder_config

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
# So does any value of these.
_UNSET = (
  "quantization_config",
  "pruned_heads",
  "is_encoder_decoder",
  "auto_map",
)


def to_json(
  config: encoders.BertEncoderConfig,
  network: network_types.NetworkType,
  head: str,
  pad_id: int,
) -> dict:
  """Returns `config.json`; `head` is the last part of the name of a class."""
  activation = config.hidden_activation
  names = ", ".join(_TO_HIDDEN_ACT)
  rule = f"hidden_activation must be one of {names} to be exported"
  errors.require(activation in _TO_HIDDEN_ACT, rule, repr(activation))
  errors.require(
    config.embedding_size in (None, config.hidden_size),
    "task.model.encoder embedding_size must be hidden_size "
    f"({config.hidden_size}): Hugging Face's BERT does not project embeddings",
    config.embedding_size,
  )
  sizes = _SIZES | _FRACTIONS
  rows = config.max_position_embeddings + network.first_position
  return {
    "architectures": [f"{network.classes}{head}"],
    "model_type": network.model_type,
    "hidden_act": _TO_HIDDEN_ACT[activation],
    "pad_token_id": pad_id,
    "dtype": "float32",
    **_FIXED,
    **{there: getattr(config, here) for here, there in sizes.items()},
    "max_position_embeddings": rows,
  }


def label_fields(labels: list[str]) -> dict:
  """Returns what `config.json` says besides of classes; one is a regression."""
  one = len(labels) == 1
  return {
    "problem_type": "regression" if one else "single_label_classification",
    "id2label": {str(index): name for index, name in enumerate(labels)},
    "label2id": {name: index for index, name in enumerate(labels)},
  }


def from_json(
  content: dict, network: network_types.NetworkType, source: str
) -> encoder_config.TokenDropEncoderConfig:
  """Returns the config of the encoder that a `config.json` describes.

  Token dropping has its defaults; with too few layers it is off.
  """

  def require(condition: bool, name: str, rule: str, value) -> None:
    rule = f"{name} in {source} must be {rule}"
    errors.require(condition, rule, errors.shorten(value))

  for name, fixed in _FIXED.items():
    value = content.get(name, fixed)
    is_fixed = type(value) is type(fixed) and value == fixed
    require(is_fixed, name, f"{fixed}", value)
  for name in _UNSET:
    require(not content.get(name), name, "unset", content.get(name))
  names = [*_FROM_HIDDEN_ACT]  # a list, since the value may have no hash
  activation = content.get("hidden_act")
  rule = f"one of {', '.join(names)}"
  require(activation in names, "hidden_act", rule, activation)
  fields = {"hidden_activation": _FROM_HIDDEN_ACT[activation]}
  fields |= network.encoder_fields
  for here, there in _SIZES.items():
    fields[here] = size = content.get(there)
    is_size = type(size) is int and size >= 1
    require(is_size, there, "a whole number, at least 1", size)
  first = network.first_position
  rows = fields["max_position_embeddings"]
  rule = f"at least {first + 1}, since positions begin after pad_token_id"
  require(rows > first, "max_position_embeddings", rule, rows)
  fields["max_position_embeddings"] = rows - first
  for here, there in _FRACTIONS.items():
    if there in content:
      value = content[there]
      is_fraction = type(value) in (int, float) and 0 <= value < 1
      require(is_fraction, there, "in [0, 1)", value)
      fields[here] = float(value)
  width, heads = fields["hidden_size"], fields["num_attention_heads"]
  rule = f"a multiple of num_attention_heads ({heads})"
  require(width % heads == 0, "hidden_size", rule, width)
  if fields["num_layers"] < 2:
    fields["token_keep_ratio"] = 1.0
  return encoder_config.TokenDropEncoderConfig(**fields)
