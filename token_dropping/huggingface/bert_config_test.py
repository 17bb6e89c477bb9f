# SPDX-License-Identifier: Apache-2.0
"""`config.json` and an encoder's config, to and fro."""

import pytest

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


@pytest.mark.parametrize(
  ("here", "there"),
  [
    ("gelu", "gelu_new"),
    ("gelu_exact", "gelu"),
    ("relu", "relu"),
    ("swish", "silu"),
  ],
)
def test_there_and_back(here, there):
  config = CONFIG.replace(hidden_activation=here)
  content = bert_config.to_json(config, "BertForMaskedLM", 0)
  assert content["hidden_act"] == there
  assert bert_config.from_json(content, "config.json") == config


def test_other_name_of_the_tanh_form():
  content = bert_config.to_json(CONFIG, "BertForMaskedLM", 0)
  content["hidden_act"] = "gelu_pytorch_tanh"
  assert bert_config.from_json(content, "config.json") == CONFIG


def test_oldest_files_have_no_model_type():
  content = bert_config.to_json(CONFIG, "BertForMaskedLM", 0)
  del content["model_type"]
  assert bert_config.from_json(content, "config.json") == CONFIG


def test_one_layer_drops_nothing():
  config = CONFIG.replace(num_layers=1)
  content = bert_config.to_json(config, "BertForMaskedLM", 0)
  assert bert_config.from_json(content, "config.json").token_keep_ratio == 1.0


def test_one_class_is_a_regression():
  assert bert_config.label_fields(["score"]) == {
    "problem_type": "regression",
    "id2label": {"0": "score"},
    "label2id": {"score": 0},
  }
