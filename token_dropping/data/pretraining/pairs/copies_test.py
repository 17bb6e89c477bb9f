# SPDX-License-Identifier: Apache-2.0
"""Tests of how sentences are found that stood before."""

import pytest

from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.pairs import copies

PIECES = [[["a\tA", "b\tB"], ["a\tA2"]], [["c\tC", "b\tB", "d\tD"]]]


@pytest.mark.parametrize("most", [copies.MOST, 2])  # 1 round, and 3
def test_the_first_of_all_pieces_stays(tmp_path, monkeypatch, most):
  monkeypatch.setattr(copies, "MOST", most)
  results = [
    text_pieces.write_pieces(
      *(str(tmp_path), _Settings, index, []),
      *(documents, text_lines.TextCare()),
    )
    for index, documents in enumerate(PIECES)
  ]
  pieces, _ = text_pieces.collect(str(tmp_path), results)
  for index, piece in enumerate(pieces):
    done = copies.hash_sources(5, index, piece)
    assert done == {"bytes": piece.bytes, "documents": 2 - index}
  marked, number = copies.mark(pieces)
  assert number == 2
  read = [piece.read() for piece in marked]
  assert [documents for documents, _ in read] == [
    *([["a\tA", "b\tB"], []], [["c\tC", "d\tD"]])
  ]
  for piece, (_, numbers) in zip(pieces, read, strict=True):
    assert numbers.tolist() == piece.read()[1].tolist()


class _Settings:
  piece_bytes, seed = 1000, 5
