# SPDX-License-Identifier: Apache-2.0
"""The drop types, by the name that YAML has for them."""

from token_dropping.dropping import layer_run
from token_dropping.dropping.drops import context
from token_dropping.dropping.drops import layerwise
from token_dropping.dropping.drops import pool
from token_dropping.dropping.drops import skip

DEFAULT = "skip"
TYPES: dict[str, type[layer_run.LayerRun]] = {
  "skip": skip.SkipRun,
  "context": context.ContextRun,
  "layerwise": layerwise.LayerwiseRun,
  "pool": pool.PoolRun,
}


def get(name: str) -> type[layer_run.LayerRun]:
  """Returns the class of a type.

  Raises:
    ValueError: there is no such type.
  """
  if name not in TYPES:
    raise ValueError(
      f"drop.type must be one of {', '.join(TYPES)}. Received: {name!r}"
    )
  return TYPES[name]
