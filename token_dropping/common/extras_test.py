# SPDX-License-Identifier: Apache-2.0
"""Tests of what is said where an extra is not installed."""

import sys

from tests import testing
from token_dropping.common import extras


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, "polib", None)  # importing it fails
  assert testing.refused(
    extras.require, "polib", "reading needs polib", "data"
  ) == (
    "reading needs polib: pip install 'token-dropping[data]'. Received: import "
    "of polib halted; None in sys.modules"
  )
