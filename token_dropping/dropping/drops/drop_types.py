# SPDX-License-Identifier: Apache-2.0
"""The drop types, by the name that YAML has for them."""

from token_dropping.common import errors
from token_dropping.dropping import layer_run
from token_dropping.dropping.drops import layerwise
from token_dropping.dropping.drops import pool
from token_dropping.dropping.drops import skip

DEFAULT = "skip"
TYPES: dict[str, type[layer_run.LayerRun]] = {
  "skip": skip.SkipRun,
  "context": skip.ContextRun,
  "layerwise": layerwise.LayerwiseRun,
  "pool": pool.PoolRun,
}


def get(name: str) -> type[layer_run.LayerRun]:
  """Returns the class of a type; a `UserError` if there is none."""
  rule = f"drop.type must be one of {', '.join(TYPES)}"
  errors.require(name in TYPES, rule, repr(name))
  return TYPES[name]
