# SPDX-License-Identifier: Apache-2.0
"""The list of the networks of `transformers` that a run can be."""

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.huggingface import bert
from token_dropping.huggingface import gpt
from token_dropping.huggingface import modernbert
from token_dropping.huggingface import modernbert_decoder
from token_dropping.huggingface import network
from token_dropping.huggingface import pegasus
from token_dropping.models import network_config

_CLASSES = (
  bert.Bert,
  bert.PreNormBert,
  modernbert.ModernBert,
  modernbert_decoder.ModernBertDecoder,
  gpt.Gpt2,
  pegasus.Pegasus,
)
_BY_TYPE = {kind.model_type: kind for kind in _CLASSES}


def of_config(
  config: network_config.NetworkConfig, words: vocabulary.Vocabulary | None
) -> network.Network:
  """Returns the network that a config is, or raises `UserError`."""
  name = config.network
  kind = next(k for k in _CLASSES if k.config_class.network == name)
  return kind.of_config(config, words)


def of_json(content: dict, source: str) -> network.Network:
  """Returns the network that a `config.json` describes."""
  kind = content.get("model_type")
  if kind is None and str(content.get("architectures")).startswith("['Bert"):
    kind = bert.Bert.model_type  # the oldest do not say it
  names = [*_BY_TYPE]  # a list, since the value may have no hash
  rule = f"model_type in {source} must be {' or '.join(names)}"
  errors.require(kind in names, rule, errors.shorten(kind))
  return _BY_TYPE[kind].of_json(content, source)
