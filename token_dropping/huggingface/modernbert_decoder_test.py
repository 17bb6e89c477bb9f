# SPDX-License-Identifier: Apache-2.0
"""`config.json` of a ModernBERT decoder and our config, to and fro."""

import pytest
import transformers

from tests import modernbert_testing
from tests import testing
from token_dropping.huggingface import modernbert_decoder
from token_dropping.models.modernbert import decoder_config

CONFIG = decoder_config.ModernBertDecoderConfig(
  head_activation="gelu", **modernbert_testing.UNLIKE_DEFAULTS
)
# Of version 4, which version 5 reads and does not write.
OLD = {"global_attn_every_n_layers", "global_rope_theta", "local_rope_theta"}


def _there(**changes) -> dict:
  network = modernbert_decoder.ModernBertDecoder()
  return network.to_json(CONFIG, "ForCausalLM", None) | changes


def _back(content, source="config.json"):
  return modernbert_decoder.ModernBertDecoder().from_json(content, source)


def test_config_there_and_back():
  content = _there()
  assert _back(content) == CONFIG
  theirs = transformers.ModernBertDecoderConfig.from_dict(content).to_dict()
  for name in content.keys() - OLD:
    assert theirs[name] == content[name], name
  assert _back(theirs) == CONFIG
  names = ("pad", "bos", "cls", "eos", "sep")
  assert [content[f"{name}_token_id"] for name in names] == [0, 1, 1, 1, 1]
  assert content["classifier_activation"] == "gelu_new"


def test_the_defaults_are_theirs():
  theirs = transformers.ModernBertDecoderConfig().to_dict()
  ours = decoder_config.ModernBertDecoderConfig()
  network = modernbert_decoder.ModernBertDecoder()
  content = network.to_json(ours, "ForCausalLM", None)
  same = content.keys() - OLD - {"architectures", "dtype"}
  for name in same - network.token_ids(None).keys():
    assert theirs[name] == content[name], name


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("attention_bias", True, "False"),
    ("decoder_bias", False, "True"),
    ("tie_word_embeddings", False, "True"),
    ("layer_types", ["full_attention"] * 5, "full_attention in every layer "),
  ],
)
def test_what_our_network_cannot_be(name, value, rule):
  refused = testing.refused(_back, _there(**{name: value}), "a/config.json")
  assert refused.startswith(f"{name} in a/config.json must be {rule}")
