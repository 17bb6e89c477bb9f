# SPDX-License-Identifier: Apache-2.0
"""Which drop types a causal network can have."""

from token_dropping.common import errors


def check(name: str) -> None:
  """Refuses means of neighbours, which would show what comes after."""
  rule = "drop.type must be skip, context or layerwise in a causal network"
  errors.require(name != "pool", rule, name)
