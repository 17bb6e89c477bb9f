# SPDX-License-Identifier: Apache-2.0
"""Modules of packages that only an extra of this project brings."""

import importlib
import types

from token_dropping.common import errors


def require(module: str, need: str, extra: str) -> types.ModuleType:
  """Imports a module; the `UserError` says what needs it, and which extra.

  >>> require("math", "rounding needs math", "data").floor(1.5)
  1
  """
  try:
    return importlib.import_module(module)
  except ImportError as error:
    raise errors.UserError(
      f"{need}: pip install 'token-dropping[{extra}]'. Received: {error}"
    ) from error
