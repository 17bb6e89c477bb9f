# SPDX-License-Identifier: Apache-2.0
"""The types of importance by name, and their fields: `importance` in YAML."""

import dataclasses

from official.modeling.hyperparams import base_config

from token_dropping.common import errors
from token_dropping.dropping import selection
from token_dropping.dropping.drops import drop_types
from token_dropping.dropping.importance import frequency_scorer
from token_dropping.dropping.importance import frozen_scorer
from token_dropping.dropping.importance import importance_scorer
from token_dropping.dropping.importance import norm_scorer
from token_dropping.dropping.importance import random_scorers
from token_dropping.dropping.importance import token_scorer

TYPES: dict[str, type[token_scorer.TokenScorer]] = {
  "mlm_loss": importance_scorer.ImportanceScorer,
  "next_token_loss": importance_scorer.NextTokenScorer,
  "cross_attention": importance_scorer.CrossAttentionScorer,
  "frequency": frequency_scorer.FrequencyScorer,
  "random": random_scorers.RandomScorer,
  "unmasked": random_scorers.UnmaskedScorer,
  "mlm_loss_random": random_scorers.LossRandomScorer,
  "mlm_loss_noise": random_scorers.LossNoiseScorer,
  "hidden_norm": norm_scorer.HiddenNormScorer,
  "pretrained_mlm": frozen_scorer.FrozenScorer,
  "mutual_information": frozen_scorer.FrozenScorer,
}
_ABOUT = {
  token_scorer.ENCODER: "that is not causal",
  token_scorer.CAUSAL: "that is causal",
  token_scorer.SOURCE: "that reads the source of a translation",
}
# The fields of all types and their defaults: `importance` in YAML.
FIELDS = {
  name: default
  for scorer_class in TYPES.values()
  for name, default in scorer_class.fields.items()
}
ImportanceConfig = dataclasses.make_dataclass(
  "ImportanceConfig",
  [
    ("type", str | None, None),
    *((name, type(default), default) for name, default in FIELDS.items()),
  ],
  bases=(base_config.Config,),
  namespace={
    "__doc__": """How the tokens that stay are chosen.

    Attributes:
      type: one of `TYPES`; `None` means the published `mlm_loss`, and `random`
        where every layer makes its own choice.

    The others are `fields` of the types.
    """,
    "__module__": __name__,
  },
)


def resolve(kind: str | None, drop_type: str = drop_types.DEFAULT) -> str:
  """Returns the type that an `importance.type`, perhaps unset, stands for."""
  return kind or drop_types.get(drop_type).default_importance


def get(kind: str) -> type[token_scorer.TokenScorer]:
  """Returns the class of a type; a `UserError` if there is none."""
  rule = f"importance.type must be one of {', '.join(TYPES)}"
  errors.require(kind in TYPES, rule, repr(kind))
  return TYPES[kind]


def unread(config) -> list[str]:
  """Returns the fields that are set, and that the type does not read."""
  names = FIELDS.keys() - get(config.importance_type).fields.keys()
  values = {name: getattr(config.importance, name) for name in sorted(names)}
  return [name for name, value in values.items() if value != FIELDS[name]]


def check_fields(config) -> None:
  """Refuses wrong fields of any type, or a type unfit for the network."""
  drop_type, kind = config.drop.type, config.importance_type
  here = config.reads
  fit = [name for name, found in TYPES.items() if here in found.networks]
  rule = f"importance.type must be one of {', '.join(fit)} in a network"
  fits = here in get(kind).networks
  errors.require(fits, f"{rule} {_ABOUT[here]}", repr(kind))
  by_layer = [name for name in fit if not TYPES[name].by_id_alone]
  where = (
    f"where drop.type is {drop_type}: with others all layers choose the same"
  )
  rule = f"importance.type must be one of {', '.join(by_layer)} {where}"
  chooses = drop_types.get(drop_type).chooses_by_layer
  errors.require(not (get(kind).by_id_alone and chooses), rule, repr(kind))
  for scorer_class in TYPES.values():
    scorer_class.check_fields(config, kind)
  config.selection.check()
  rule = "selection.type must be top_k in a network"
  by_rank = config.is_causal or config.selection.type != selection.THRESHOLD
  errors.require(by_rank, f"{rule} {_ABOUT[here]}", config.selection.type)
