# SPDX-License-Identifier: Apache-2.0
"""`config.json` of ModernBERT and our config, to and fro."""

import pytest

from tests import huggingface_testing as hf
from tests import modernbert_testing
from tests import testing
from token_dropping.common import vocabulary
from token_dropping.huggingface import modernbert
from token_dropping.models.modernbert import config as config_lib

CONFIG = config_lib.ModernBertConfig(**modernbert_testing.UNLIKE_DEFAULTS)
WORDS = vocabulary.Vocabulary(testing.TOKENS)
NEW = ("layer_types", "rope_parameters")
OLD = (
  *("global_attn_every_n_layers", "global_rope_theta", "local_rope_theta"),
)
GLOBAL, LOCAL = "full_attention", "sliding_attention"


def _there(without=(), **changes) -> dict:
  content = modernbert.ModernBert().to_json(CONFIG, "ForMaskedLM", WORDS)
  return {k: v for k, v in content.items() if k not in without} | changes


def _back(content, source="config.json"):
  return modernbert.ModernBert().from_json(content, source)


@pytest.mark.parametrize("without", [(), OLD, NEW])
def test_there_and_back_in_the_fields_of_each_version(without):
  assert _back(_there(without)) == CONFIG


def test_transformers_reads_what_it_would_write():
  content = _there()
  theirs = hf.config_of("ModernBert").from_dict(content).to_dict()
  for name in content.keys() - set(OLD):
    assert theirs[name] == content[name], name
  assert _back(theirs) == CONFIG
  ids = ("bos", "cls", "eos", "sep", "pad")
  found = [content[f"{name}_token_id"] for name in ids]
  assert found == [2, 2, 3, 3, 0]


def test_what_is_left_out_has_the_published_value():
  default = config_lib.ModernBertConfig()
  names = ("local_attention", "norm_eps")
  found = _back(_there((*NEW, *OLD, *names)))
  for name in (*names, "global_every", "global_rope_theta", "local_rope_theta"):
    assert getattr(found, name) == getattr(default, name), name


def test_only_the_first_layer_is_global():
  kinds = [GLOBAL, *[LOCAL] * 4]
  assert _back(_there(OLD, layer_types=kinds)).global_every == 5


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("attention_bias", True, "False"),
    ("decoder_bias", False, "True"),
    ("classifier_activation", "relu", "gelu"),
    ("rope_scaling", {"type": "linear"}, "unset"),
    ("local_attention", 6.0, "a whole number, at least 1"),
    ("embedding_dropout", 0.3, "that of mlp_dropout, 0.2"),
    ("sliding_window", 3, "half of local_attention (4)"),
    ("norm_eps", 0.0, "greater than 0"),
    ("norm_eps", 10**400, "greater than 0"),
    (
      "layer_types",
      [LOCAL] * 5,
      f"{GLOBAL} in every layer that 2 divides, else {LOCAL}",
    ),
    (
      "rope_parameters",
      {GLOBAL: {"rope_type": "yarn"}},
      "without scaling, for both kinds",
    ),
  ],
)
def test_what_our_network_cannot_be(name, value, rule):
  refused = testing.refused(_back, _there(**{name: value}), "a/config.json")
  message = f"{name} in a/config.json must be {rule}. Received: "
  assert refused.startswith(message)


def test_theta_of_version_4():
  content = _there(NEW, local_rope_theta=None)
  assert testing.refused(_back, content, "a/config.json") == (
    "local_rope_theta in a/config.json must be greater than 0. Received: None"
  )
