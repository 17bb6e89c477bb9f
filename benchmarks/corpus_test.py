# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmarks' corpus, without fetching any."""

import pytest

from benchmarks import corpus
from token_dropping import errors


def test_menus_code_and_short_lines_are_not_prose():
  page = """
    <ul><li><a>A menu entry of five words</a></li></ul>
    <p>One paragraph with a <em>few</em>
       words.</p>
    <p>Too short</p>
    <li><p>A list item with running text.</p></li>
    <p>Before the code comes this text <pre>int x = 0;</pre></p>
  """
  assert corpus.prose_of_html(page) == [
    "One paragraph with a few words.",
    "A list item with running text.",
    "Before the code comes this text",
  ]


def test_a_corpus_that_is_there_is_not_fetched(tmp_path):
  (tmp_path / "sotu.txt").write_text("text")
  assert corpus.fetch("sotu", str(tmp_path)) == str(tmp_path / "sotu.txt")


def test_unknown_corpus_is_refused(tmp_path):
  with pytest.raises(
    errors.UserError,
    match="must be one of sotu, linux-doc, debian-descriptions. Received: 'x'",
  ):
    corpus.fetch("x", str(tmp_path))


def test_failing_command_is_one_line(tmp_path):
  with pytest.raises(errors.UserError, match="needs `false` to work. Received"):
    corpus._run(["false"], tmp_path)
