# SPDX-License-Identifier: Apache-2.0
"""The command line of both directions."""

import sys

import pytest

from tests import testing
from token_dropping.huggingface import __main__ as command

ARGUMENTS = "arguments must be export or import, and flags"


def _refused(*argv: str) -> str:
  return testing.refused(testing.run_command, command, *argv)


@pytest.mark.parametrize(
  ("argv", "message"),
  [
    ("", ARGUMENTS),
    ("convert", ARGUMENTS),
    ("export runs/base", ARGUMENTS),
    ("export --output_dir=a", "--model_dir must be set. Received: nothing"),
    ("import --output_dir=a", "--input must be set. Received: nothing"),
    ("import --input=a", "--output_dir must be set. Received: nothing"),
    (
      "import --input=a --output_dir=b --checkpoint=best",
      "--checkpoint must be unset for import. Received: 'best'",
    ),
  ],
)
def test_wrong_arguments(argv, message):
  assert _refused(*argv.split()).startswith(message)


def test_missing_package_is_named(monkeypatch):
  name = "token_dropping.huggingface.exporting"
  monkeypatch.setitem(sys.modules, name, None)  # importing it fails
  assert _refused("export", "--model_dir=run", "--output_dir=out") == (
    "conversion needs safetensors and transformers: pip install "
    "'token-dropping[huggingface]'. Received: import of "
    f"{name} halted; None in sys.modules"
  )
