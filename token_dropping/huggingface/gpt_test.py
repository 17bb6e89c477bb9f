# SPDX-License-Identifier: Apache-2.0
"""`config.json` of GPT-2 and our config, to and fro."""

import pytest
import transformers

from tests import testing
from token_dropping.huggingface import gpt
from token_dropping.models.gpt import config as config_lib

CONFIG = config_lib.GptConfig(  # unlike the defaults
  vocab_size=50,
  hidden_size=8,
  num_layers=3,
  num_attention_heads=2,
  intermediate_size=12,
  max_position_embeddings=64,
  hidden_activation="relu",
  layer_norm_epsilon=1e-6,
  dropout_rate=0.2,
  attention_dropout_rate=0.3,
  initializer_range=0.04,
)


def _there(**changes) -> dict:
  return gpt.Gpt2().to_json(CONFIG, "LMHeadModel", None) | changes


def _back(content, source="config.json"):
  return gpt.Gpt2().from_json(content, source)


def test_config_there_and_back():
  content = _there()
  assert _back(content) == CONFIG
  theirs = transformers.GPT2Config.from_dict(content).to_dict()
  assert {name: theirs[name] for name in content} == content
  ids = [content[f"{name}_token_id"] for name in ("pad", "bos", "eos")]
  assert ids == [0, 1, 1]


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("scale_attn_weights", False, "True"),
    ("scale_attn_by_inverse_layer_idx", True, "False"),
    ("reorder_and_upcast_attn", True, "False"),
    ("add_cross_attention", True, "False"),
    ("tie_word_embeddings", False, "True"),
    ("n_inner", 0, "a whole number, at least 1"),
    ("embd_pdrop", 0.1, "that of resid_pdrop, 0.2"),
    ("layer_norm_epsilon", 0.0, "greater than 0"),
  ],
)
def test_what_our_network_cannot_be(name, value, rule):
  refused = testing.refused(_back, _there(**{name: value}), "a/config.json")
  message = f"{name} in a/config.json must be {rule}. Received: {value}"
  assert refused == message
