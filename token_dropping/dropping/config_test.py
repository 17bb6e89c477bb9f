# SPDX-License-Identifier: Apache-2.0
"""Tests of the fields that all networks share: ids that are pinned."""

import pytest

from tests import testing
from token_dropping.dropping import config as dropping_config

ODD = ("[SEP]", "the", "[PAD]", "[UNK]", "a", "[MASK]", "of", "[CLS]")


@pytest.fixture
def vocab_file(tmp_path) -> str:
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(ODD))
  return str(path)


def _id_lists(vocab_size: int = 8, **fields) -> tuple:
  return dropping_config.DroppingConfig(**fields).id_lists(vocab_size)


@pytest.mark.parametrize(
  ("fields", "allow", "deny"),
  [
    ({}, (3, 7, 0, 5), (2,)),  # [UNK] [CLS] [SEP] [MASK] and [PAD]
    ({"token_allow_list": [6]}, (6,), (2,)),
    ({"token_deny_list": [1, 4]}, (3, 7, 0, 5), (1, 4)),
    ({"token_allow_list": [], "token_deny_list": []}, (), ()),
    ({"always_keep_cls": False}, (3, 0, 5), (2,)),
  ],
)
def test_ids_of_the_vocabulary(fields, allow, deny, vocab_file):
  assert _id_lists(vocab_file=vocab_file, **fields) == (allow, deny)


def test_ids_are_the_published_ones_otherwise():
  assert _id_lists(30522) == ((100, 101, 102, 103), (0,))
  assert _id_lists(30522, always_keep_cls=False)[0] == (100, 102, 103)


@pytest.mark.parametrize(
  ("vocab_size", "allow"),
  [(1, ()), (100, ()), (101, (100,)), (103, (100, 101, 102))],
)
def test_published_ids_that_the_network_lacks_are_left_out(vocab_size, allow):
  assert _id_lists(vocab_size) == (allow, (0,))
  without_cls = tuple(token_id for token_id in allow if token_id != 101)
  assert _id_lists(vocab_size, always_keep_cls=False)[0] == without_cls


def test_wrong_lists_are_refused(vocab_file):
  assert testing.refused(
    _id_lists, token_allow_list=[6], always_keep_cls=False
  ) == (
    "always_keep_cls must be true with token_allow_list, which says what is "
    "kept. Received: false"
  )
  assert testing.refused(_id_lists, 7, vocab_file=vocab_file) == (
    f"vocab_size must be at least the 8 tokens of {vocab_file}. Received: 7"
  )


def test_fields_without_files_are_of_the_same_ids(vocab_file):
  fields = {"vocab_file": vocab_file, "always_keep_cls": False}
  config = dropping_config.DroppingConfig(**fields, token_keep_k=5)
  alone = config.without_files(8)
  assert alone.vocab_file == "" and alone.token_keep_k == 5
  assert alone.id_lists(8) == config.id_lists(8) == ((3, 0, 5), (2,))


def test_a_run_may_go_on_with_all_but_the_type_of_importance():
  assert "importance" not in dropping_config.FREE_FIELDS
  assert {"temperature", "stages", "vocab_file"} <= dropping_config.FREE_FIELDS
