# SPDX-License-Identifier: Apache-2.0
"""Tests of what the table of lengths refuses."""

import pytest

from benchmarks import document_lengths
from tests import testing


@pytest.mark.parametrize(
  ("content", "values", "message"),
  [
    (b"a b", {"vocab_sizes": "100,x"}, "--vocab_sizes must be whole numbers "),
    (b"a b", {"seq_length": 0}, "--seq_length must be whole numbers in [1, "),
    (b"\n\n", {}, "a file must hold text. Received: 'text'"),
    (None, {}, "arguments must be text files. Received: 'text'"),
  ],
)
def test_refusals(tmp_path, monkeypatch, content, values, message):
  monkeypatch.chdir(tmp_path)
  if content is not None:
    (tmp_path / "text").write_bytes(content)
  command = testing.run_command, document_lengths, "text"
  assert testing.refused(*command, **values).startswith(message)
