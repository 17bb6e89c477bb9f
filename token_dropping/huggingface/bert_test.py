# SPDX-License-Identifier: Apache-2.0
"""`config.json` and an encoder's config, to and fro."""

import pytest

from tests import testing
from token_dropping.common import vocabulary
from token_dropping.huggingface import config_fields
from token_dropping.huggingface import networks
from token_dropping.models.bert import encoder_config

CONFIG = encoder_config.TokenDropEncoderConfig(
  vocab_size=50,
  hidden_size=8,
  num_layers=3,
  num_attention_heads=2,
  intermediate_size=16,
  max_position_embeddings=12,
  type_vocab_size=3,
  dropout_rate=0.2,
  attention_dropout_rate=0.3,
  initializer_range=0.04,
)
TYPES = "bert or roberta-prelayernorm or modernbert or modernbert-decoder or "
TYPES += "gpt2 or pegasus"
NAMES = ("gelu_new", "gelu", "relu", "silu", "gelu_pytorch_tanh", "swish")


PRE_NORM = CONFIG.replace(norm_first=True, final_norm=True)


def _there(config=CONFIG, pad_id=0, **changes):
  others = [word for word in testing.TOKENS if word != vocabulary.PAD]
  others.insert(pad_id, vocabulary.PAD)
  words = vocabulary.Vocabulary(tuple(others))
  network = networks.of_config(config, words)
  return network.to_json(config, "ForMaskedLM", words) | changes


def _back(content, source="config.json"):
  return networks.of_json(content, source).from_json(content, source)


ACTIVATIONS = {"gelu": "gelu_new", "gelu_exact": "gelu"}
ACTIVATIONS |= {"relu": "relu", "swish": "silu"}


@pytest.mark.parametrize(("here", "there"), ACTIVATIONS.items())
def test_there_and_back(here, there):
  config = CONFIG.replace(hidden_activation=here)
  content = _there(config)
  assert content["hidden_act"] == there
  assert _back(content) == config


@pytest.mark.parametrize("pad_id", [0, 3])
def test_positions_begin_after_the_id_of_padding(pad_id):
  content = _there(PRE_NORM, pad_id)
  assert content["model_type"] == "roberta-prelayernorm"
  assert content["architectures"] == ["RobertaPreLayerNormForMaskedLM"]
  assert content["pad_token_id"] == pad_id
  assert content["max_position_embeddings"] == 12 + pad_id + 1
  assert _back(content) == PRE_NORM


@pytest.mark.parametrize(
  "changes",
  [
    {"hidden_act": "gelu_pytorch_tanh"},  # another name of the tanh form
    {"model_type": None},  # the oldest files have none
  ],
)
def test_other_forms(changes):
  assert _back(_there(**changes)) == CONFIG


def test_one_layer_drops_nothing():
  content = _there(num_hidden_layers=1)
  assert _back(content).token_keep_ratio == 1.0


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("model_type", "roberta", TYPES),
    ("model_type", ["bert"], TYPES),
    ("hidden_act", ["gelu"], f"one of {', '.join(NAMES)}"),
    ("position_embedding_type", "relative_key", "absolute"),
    ("layer_norm_eps", 1e-5, "1e-12"),
    ("is_decoder", 0, "False"),
    ("quantization_config", {"bits": 8}, "unset"),
    ("pruned_heads", {"0": [1]}, "unset"),
    ("auto_map", {"AutoModel": "a.B"}, "unset"),
    ("num_hidden_layers", 0, "a whole number, at least 1"),
    ("hidden_dropout_prob", "much", "in [0, 1)"),
  ],
)
def test_what_our_encoder_cannot_be(name, value, rule):
  content = _there(**{name: value})
  message = f"{name} in a/config.json must be {rule}. Received: {value!r}"
  assert testing.refused(_back, content, "a/config.json") == message


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("pad_token_id", None, "a whole number, at least 0"),
    ("pad_token_id", -1, "a whole number, at least 0"),
    (
      "max_position_embeddings",
      1,
      "at least 2, since positions begin after pad_token_id",
    ),
  ],
)
def test_positions_that_are_not_there(name, value, rule):
  content = _there(PRE_NORM, **{name: value})
  message = f"{name} in a/config.json must be {rule}. Received: {value!r}"
  assert testing.refused(_back, content, "a/config.json") == message


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    (
      "norm_first",
      True,
      "task.model.encoder final_norm must be true with norm_first to be "
      "exported: roberta-prelayernorm, the network of Hugging Face that "
      "normalizes before each block, ends with a norm. Received: false",
    ),
    (
      "embedding_size",
      4,
      "task.model.encoder embedding_size must be hidden_size (8): Hugging "
      "Face's BERT does not project embeddings. Received: 4",
    ),
    (
      "hidden_activation",
      "mish",
      "hidden_activation must be one of gelu, gelu_exact, relu, swish to be "
      "exported. Received: 'mish'",
    ),
  ],
)
def test_network_that_transformers_lacks(field, value, message):
  config = CONFIG.replace(final_norm=False, **{field: value})
  assert testing.refused(_there, config) == message


def test_one_class_is_a_regression():
  assert config_fields.label_fields(["score"]) == {
    "problem_type": "regression",
    "id2label": {"0": "score"},
    "label2id": {"score": 0},
  }
