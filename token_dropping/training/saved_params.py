# SPDX-License-Identifier: Apache-2.0
"""What the `params.yaml` of a run's folder says of what was trained."""

from official.nlp.configs import encoders

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import plain_json
from token_dropping.models import network_config
from token_dropping.models import networks
from token_dropping.models.bert import encoder_config as bert
from token_dropping.training import field_rules

MASKED_LM, CLASSIFICATION, SPAN = "masked_lm", "classification", "span"
CAUSAL_LM, TRANSLATION = "causal_lm", "translation"
_KINDS = ("any", "bert", "bert_v2")  # of encoders
# What models are built of, beside the encoder.
_HEAD = {
  "mlm_activation": str,
  "mlm_initializer_range": float,
  "num_classes": int,
  "use_encoder_pooler": bool,
}


def mapping(tree: dict, key: str, model_dir: str) -> dict:
  """Returns the mapping that a tree must have; a `UserError` without it."""
  value = tree.get(key)
  errors.require(
    isinstance(value, dict),
    f"params.yaml in {model_dir} must have a mapping {key}",
    errors.shorten(value),
  )
  return value


def read_encoder(task: dict, model_dir: str) -> network_config.NetworkConfig:
  """Returns the network's config; Model Garden's BERT drops none."""
  tree = mapping(mapping(task, "model", model_dir), "encoder", model_dir)
  kind = tree.get("type")
  errors.require(
    kind in _KINDS,
    f"params.yaml in {model_dir} must have task.model.encoder.type any, bert "
    "or bert_v2",
    errors.shorten(kind),
  )
  fields, path = mapping(tree, kind, model_dir), f"task.model.encoder.{kind}."
  is_ours = kind == "any"
  config = (
    networks.config_of(fields)() if is_ours else encoders.BertEncoderConfig()
  )
  source = f"params.yaml in {model_dir}: {path[:-1]}"
  config_overrides.apply_overrides(config, fields, source)
  field_rules.check(config, path)
  if not is_ours:
    config = bert.TokenDropEncoderConfig(
      **config.as_dict(), token_keep_ratio=1.0
    )
  config.complete()
  with errors.named(path):
    config.check()
  return config


def check_head(model: dict, source: str) -> None:
  """Refuses fields of the heads that cannot be what a run had."""
  for name, kind in _HEAD.items():
    if name in model:
      plain_json.check(model[name], kind, f"{source}task.model.{name}")
      field_rules.check_value(f"{source}task.model.{name}", model[name])


def kind_of(task: dict, model_dir: str, source: str) -> str:
  """Tells what was trained by a field that only its config has."""
  for field, kind in (
    ("mlm_activation", MASKED_LM),
    ("num_classes", CLASSIFICATION),
    ("max_answer_length", SPAN),
    ("loss_positions", CAUSAL_LM),
    ("label_smoothing", TRANSLATION),
  ):
    if field in task or field in task["model"]:
      return kind
  raise errors.UserError(
    f"{source} must hold a run of a masked-LM, classification, span, causal-LM "
    f"or translation task. Received: {model_dir!r}"
  )
