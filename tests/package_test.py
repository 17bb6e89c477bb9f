# SPDX-License-Identifier: Apache-2.0
"""Tests of `import token_dropping`."""

import subprocess
import sys

import pytest

import token_dropping


def test_public_names_are_there():
  for name in token_dropping.__all__:
    value = getattr(token_dropping, name)
    assert name == "__version__" or value.__name__ == name
    assert name in dir(token_dropping)


def test_other_names_are_not():
  with pytest.raises(AttributeError, match="has no attribute 'Encoder'"):
    _ = token_dropping.Encoder


def test_importing_the_package_imports_no_tensorflow():
  program = (
    "import sys, token_dropping; dir(token_dropping);"
    "assert 'tensorflow' not in sys.modules;"
    "assert token_dropping.TokenDropEncoder.__name__ == 'TokenDropEncoder';"
    "assert 'tensorflow' in sys.modules"
  )
  subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
