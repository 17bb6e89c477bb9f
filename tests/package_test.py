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


def test_what_is_not_needed_is_not_imported():
  program = (
    "import sys, token_dropping; dir(token_dropping);"
    "assert 'tensorflow' not in sys.modules;"
    "assert token_dropping.TokenDropEncoder.__name__ == 'TokenDropEncoder';"
    "assert 'tensorflow' in sys.modules;"
    "sys.modules |= {'apache_beam': None, 'gensim': None};"
    "import token_dropping.study.session"
  )
  subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
