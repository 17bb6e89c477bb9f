# SPDX-License-Identifier: Apache-2.0
"""Which scores decide what tokens stay: `importance.type` and its fields.

task:
  model:
    encoder:
      any: {importance: {type: mlm_loss_noise, temperature: 0.5}}
"""

import dataclasses
from collections.abc import Sequence

from official.modeling.hyperparams import base_config

from token_dropping.dropping.drops import drop_types
from token_dropping.dropping.importance import frequency_scorer
from token_dropping.dropping.importance import frozen_scorer
from token_dropping.dropping.importance import importance_scorer
from token_dropping.dropping.importance import importance_table
from token_dropping.dropping.importance import loss_noise_scorer
from token_dropping.dropping.importance import loss_random_scorer
from token_dropping.dropping.importance import norm_scorer
from token_dropping.dropping.importance import random_scorer
from token_dropping.dropping.importance import token_scorer

# Another score for the same id in another layer.
_OF_LAYERS = ("random", "mlm_loss_random", "mlm_loss_noise", "hidden_norm")
TYPES = ("mlm_loss", "frequency", *_OF_LAYERS, *importance_table.KINDS)


@dataclasses.dataclass
class ImportanceConfig(base_config.Config):
  """How the tokens that stay are chosen.

  Attributes:
    type: one of `TYPES`; `None` means the published `mlm_loss`, and `random`
      where every layer makes its own choice.
    random_ratio: of `mlm_loss_random`, which share of those that stay is drawn
      at random, in [0, 1].
    temperature: of `mlm_loss_noise`, in nats, above 0.
    table_file: of `pretrained_mlm` and `mutual_information`, the table that
      `python -m token_dropping.importance` made.
  """

  type: str | None = None
  random_ratio: float = 0.1
  temperature: float = 1.0
  table_file: str = ""


def resolve(kind: str | None, drop_type: str = drop_types.DEFAULT) -> str:
  """Returns the type that an `importance.type`, perhaps unset, stands for.

  Args:
    kind: of the config.
    drop_type: what happens to the others, one of `drop_types.TYPES`.
  """
  return kind or drop_types.get(drop_type).default_importance


def check(
  config: ImportanceConfig, drop_type: str = drop_types.DEFAULT
) -> None:
  """Checks the fields; of a table only that one is named.

  Args:
    config: the fields.
    drop_type: what happens to the others.

  Raises:
    ValueError: the first rule that is broken.
  """
  kind = resolve(config.type, drop_type)
  if kind not in TYPES:
    raise ValueError(
      f"importance.type must be one of {', '.join(TYPES)}. Received: {kind!r}"
    )
  if drop_types.get(drop_type).chooses_by_layer and kind not in _OF_LAYERS:
    raise ValueError(
      f"importance.type must be one of {', '.join(_OF_LAYERS)} where drop.type "
      f"is {drop_type}: with others all layers choose the same. Received: "
      f"{kind!r}"
    )
  loss_random_scorer.check_random_ratio(config.random_ratio)
  loss_noise_scorer.check_temperature(config.temperature)
  if bool(config.table_file) != (kind in importance_table.KINDS):
    raise ValueError(
      "importance.table_file must be set with importance.type "
      f"{' and '.join(importance_table.KINDS)}, and with no other. Received: "
      f"{config.table_file!r} with {kind}"
    )


def create(
  config: ImportanceConfig,
  vocab_size: int,
  init_value: float,
  beta: float,
  allow_list: Sequence[int],
  deny_list: Sequence[int],
  drop_type: str = drop_types.DEFAULT,
) -> token_scorer.TokenScorer:
  """Makes the scorer that a config describes.

  Args:
    config: the fields.
    vocab_size: int, V.
    init_value: float, of the types that average losses.
    beta: float, likewise.
    allow_list: ids that are always kept.
    deny_list: ids that are dropped first.
    drop_type: what happens to the others.

  Raises:
    UserError: `table_file` cannot be used.
    ValueError: a value breaks its rule.

  Example:

  >>> scorer = create(
  ...   ImportanceConfig(type="random"), 8, 10.0, 0.995, [1, 2, 3, 4], [0])
  >>> type(scorer).__name__
  'RandomScorer'
  """
  check(config, drop_type)
  kind = resolve(config.type, drop_type)
  common = {
    "vocab_size": vocab_size,
    "allow_list": allow_list,
    "deny_list": deny_list,
    "name": "importance_scorer",
  }
  average = common | {"init_value": init_value, "beta": beta}
  if kind == "mlm_loss":
    return importance_scorer.ImportanceScorer(**average)
  if kind == "mlm_loss_random":
    return loss_random_scorer.LossRandomScorer(
      random_ratio=config.random_ratio, **average
    )
  if kind == "mlm_loss_noise":
    return loss_noise_scorer.LossNoiseScorer(
      temperature=config.temperature, **average
    )
  if kind in importance_table.KINDS:
    table = importance_table.ImportanceTable.read(config.table_file)
    table.check_kind(kind, config.table_file)
    scores = table.padded_scores(vocab_size, config.table_file)
    return frozen_scorer.FrozenScorer(scores=scores, **common)
  plain = {
    "frequency": frequency_scorer.FrequencyScorer,
    "random": random_scorer.RandomScorer,
    "hidden_norm": norm_scorer.HiddenNormScorer,
  }
  return plain[kind](**common)
