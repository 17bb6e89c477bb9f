# SPDX-License-Identifier: Apache-2.0
"""Tests of clean lines and of what is counted; documents_test has the rest."""

import pytest

from token_dropping.data.pretraining.corpus import text_lines


@pytest.mark.parametrize(
  ("line", "expected", "counted"),
  [
    (b"two  words\n", "two words", {}),
    (b"a\tb\r\n", "a b", {"crlf_lines": 1}),
    ("\ufeffa".encode(), "a", {"byte_order_marks": 1}),
    (b"a\x00b\x7f \xc2\x80c", "ab c", {"control_characters": 3}),
    (b"a \xff\xfe", "a \ufffd\ufffd", {"invalid_utf8_lines": 1}),
    (b"a \xe2\x82", "a \ufffd", {"invalid_utf8_lines": 1}),
    ("ä\u00a0b\u2028c".encode(), "ä b c", {}),
  ],
)
def test_lines(line, expected, counted):
  care = text_lines.TextCare()
  assert care.clean(care.decode(line)) == expected
  assert {name: n for name, n in care.counts.items() if n} == counted


@pytest.mark.parametrize(
  ("document", "name"),
  [
    ([], "empty_documents"),
    (["one"], "one_word_documents"),
    (["one two"], "documents"),
    (["one", "two"], "documents"),
    (["今天天气很好。"], "documents"),
  ],
)
def test_documents(document, name):
  care = text_lines.TextCare()
  assert care.accepts(document) == (name == "documents")
  assert care.counts == dict.fromkeys(text_lines.COUNTERS, 0) | {name: 1}
