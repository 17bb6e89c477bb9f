# SPDX-License-Identifier: Apache-2.0
"""Tests of reading a vocabulary file."""

import pytest

from tests import testing
from token_dropping.common import vocabulary

TOKENS = ("the", "[MASK]", "[PAD]", "##s", "[SEP]", "[UNK]", "[CLS]")


def _write(folder, content: bytes) -> str:
  path = folder / "vocab.txt"
  path.write_bytes(content)
  return str(path)


def _refused(path: str) -> str:
  return testing.refused(vocabulary.Vocabulary.from_file, path)


def test_id_is_the_line_number():
  words = vocabulary.Vocabulary(TOKENS)
  assert [words.id(token) for token in TOKENS] == list(range(len(words)))
  ids = {"[PAD]": 2, "[UNK]": 5, "[CLS]": 6, "[SEP]": 4, "[MASK]": 1}
  assert words.special_ids == ids
  with pytest.raises(KeyError):
    words.id("of")


def test_space_at_the_end_is_none_of_it_and_the_last_of_equal_ones_counts():
  spaces = " \u2028\xa0\x85\u3000"
  tokens = ("a", "b", *spaces, "a ", " b", "c\x1c", "d\te")
  words = vocabulary.Vocabulary(tokens)
  ids = {"a": 7, "b": 1, "": 6, " b": 8, "c\x1c": 9, "d\te": 10}
  assert words.ids == ids


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_ends_of_lines(tmp_path, end, last):
  path = _write(tmp_path, (end.join(TOKENS) + end * last).encode())
  assert vocabulary.Vocabulary.from_file(path).tokens == TOKENS


@pytest.mark.parametrize(
  "token", ["\u2028", "\x0b", "\x85", "\x1c", "é", " a ", ""]
)
def test_only_line_feeds_end_lines(tmp_path, token):
  tokens = (token, *TOKENS)
  path = _write(tmp_path, "\n".join(tokens).encode())
  assert vocabulary.Vocabulary.from_file(path).tokens == tokens


@pytest.mark.parametrize("name", ["nothing.txt", "."])
def test_missing_file_or_folder_is_refused(tmp_path, name):
  path = str(tmp_path / name)
  assert _refused(path) == (
    f"vocab_file must be a readable file. Received: {path!r}"
  )


ALL = "[PAD] [UNK] [CLS] [SEP] [MASK]"
CONTAIN = f"contain {ALL}"


@pytest.mark.parametrize(
  ("content", "rule", "reason"),
  [
    (b"ab\n\xe9\n", "be UTF-8 text", "(invalid continuation byte at byte 3)"),
    (b"[PAD]\n[UNK]\n[SEP]\nthe\n", CONTAIN, "without [CLS] [MASK]"),
    (b"[pad]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", CONTAIN, "without [PAD]"),
    (b"", CONTAIN, f"without {ALL}"),
    (
      "\n".join([*TOKENS, "ก" * 86]).encode(),
      "hold no token of more than 256 bytes, which TensorFlow Text does not "
      "take",
      "with 258 bytes in line 8",
    ),
  ],
)
def test_wrong_contents(tmp_path, content, rule, reason):
  path = _write(tmp_path, content)
  assert _refused(path) == (
    f"vocab_file must {rule}. Received: {path!r} {reason}"
  )
