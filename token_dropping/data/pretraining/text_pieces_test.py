# SPDX-License-Identifier: Apache-2.0
"""Tests of which documents validate, and of copies."""

import re

import numpy as np
import pytest

from tests import testing
from token_dropping.data.pretraining import text_pieces


def test_hash_depends_on_seed_and_text_only():
  pairs = (b"a\nb", 1), (b"a\nb", 1), (b"a\nb", 2), (b"ab", 1)
  first, same, seed, text = (text_pieces.document_hash(*pair) for pair in pairs)
  assert first == same and len({first, seed, text}) == 3


def test_values_are_uniform():
  hashes = [text_pieces.document_hash(str(i).encode(), 0) for i in range(2000)]
  values = text_pieces.uniform(np.array(hashes, np.uint64))
  counts, _ = np.histogram(values, bins=4, range=(0, 1))
  assert min(values) >= 0 and max(values) < 1
  assert np.all(np.abs(counts - 500) < 80)


def test_few_documents_are_divided_by_number_and_many_by_chance():
  values = list(np.linspace(0.5, 0.9, 40))
  threshold = text_pieces.validation_threshold(values, 0.05)
  assert sum(value < threshold for value in values) == 2
  values = np.random.default_rng(0).random(text_pieces.MANY_DOCUMENTS)
  assert text_pieces.validation_threshold(values, 0.05) == 0.05


@pytest.mark.parametrize("at_least", [1, 2])
def test_each_side_gets_its_minimum(at_least):
  values = [i / 10 for i in range(10)]
  for share, expected in ((1e-9, at_least), (1 - 1e-9, 10 - at_least)):
    threshold = text_pieces.validation_threshold(values, share, at_least)
    assert sum(value < threshold for value in values) == expected


@pytest.mark.parametrize(
  ("numbers", "at_least", "message"),
  [([0.5, 0.5], 1, "2 .* Received: 1$"), ([0.1, 0.2, 0.3], 2, "4 .*: 3$")],
)
def test_copies_count_once(numbers, at_least, message):
  found = testing.refused(
    text_pieces.validation_threshold, numbers, 0.5, at_least
  )
  assert re.match(f"input must hold at least {message}", found)


def test_copies_are_left_out(tmp_path):
  def piece(name, *hashes):
    content = np.array(hashes, np.uint64).tobytes()
    (tmp_path / f"{name}-hashes").write_bytes(content)
    return text_pieces.Piece(str(tmp_path / name), len(hashes), 1)

  pieces = [piece("a", 7, 3, 7), piece("b", 5), piece("c", 3, 9, 9)]
  skips = [part.skip for part in text_pieces.without_copies(pieces)]
  assert skips == [(2,), (), (0, 2)]
