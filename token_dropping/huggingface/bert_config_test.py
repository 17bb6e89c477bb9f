# SPDX-License-Identifier: Apache-2.0
"""`config.json` and an encoder's config, to and fro."""

import pytest

from tests import testing
from token_dropping.huggingface import bert_config
from token_dropping.models import encoder_config

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
NAMES = ("gelu_new", "gelu", "relu", "silu", "gelu_pytorch_tanh", "swish")


def _there(config=CONFIG, **changes):
  return bert_config.to_json(config, "BertForMaskedLM", 0) | changes


ACTIVATIONS = {"gelu": "gelu_new", "gelu_exact": "gelu"}
ACTIVATIONS |= {"relu": "relu", "swish": "silu"}


@pytest.mark.parametrize(("here", "there"), ACTIVATIONS.items())
def test_there_and_back(here, there):
  config = CONFIG.replace(hidden_activation=here)
  content = _there(config)
  assert content["hidden_act"] == there
  assert bert_config.from_json(content, "config.json") == config


@pytest.mark.parametrize(
  "changes",
  [
    {"hidden_act": "gelu_pytorch_tanh"},  # another name of the tanh form
    {"model_type": None},  # the oldest files have none
  ],
)
def test_other_forms(changes):
  assert bert_config.from_json(_there(**changes), "config.json") == CONFIG


def test_one_layer_drops_nothing():
  content = _there(num_hidden_layers=1)
  assert bert_config.from_json(content, "config.json").token_keep_ratio == 1.0


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("model_type", "roberta", "'bert'"),
    ("hidden_act", ["gelu"], f"one of {', '.join(NAMES)}"),
    ("position_embedding_type", "relative_key", "absolute"),
    ("layer_norm_eps", 1e-5, "1e-12"),
    ("is_decoder", 0, "False"),
    ("quantization_config", {"bits": 8}, "unset"),
    ("pruned_heads", {"0": [1]}, "unset"),
    ("auto_map", {"AutoModel": "a.B"}, "unset"),
    ("num_hidden_layers", 0, "a whole number, at least 1"),
    ("hidden_dropout_prob", "much", "in [0, 1)"),
    ("hidden_size", 9, "a multiple of num_attention_heads (2)"),
  ],
)
def test_what_our_encoder_cannot_be(name, value, rule):
  content = _there(**{name: value})
  message = f"{name} in a/config.json must be {rule}. Received: {value!r}"
  refused = testing.refused(bert_config.from_json, content, "a/config.json")
  assert refused == message


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    (
      "norm_first",
      True,
      "task.model.encoder norm_first must be false: Hugging Face's BERT "
      "normalizes after each block. Received: true",
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
  config = CONFIG.replace(**{field: value})
  assert testing.refused(_there, config) == message


def test_one_class_is_a_regression():
  assert bert_config.label_fields(["score"]) == {
    "problem_type": "regression",
    "id2label": {"0": "score"},
    "label2id": {"score": 0},
  }
