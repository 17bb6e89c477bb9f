# SPDX-License-Identifier: Apache-2.0
"""Tests of the sentences that an evaluation translates."""

import pytest

from tests import testing
from tests import translation_testing
from token_dropping.data.batches import pair_data
from token_dropping.tasks.translation import references

FIRST, SECOND = pair_data.TEXTS


def _data(folder) -> pair_data.PairDataConfig:
  return pair_data.PairDataConfig(input_path=str(folder / "validation-*"))


@pytest.mark.parametrize(("count", "read"), [(-1, 4), (2, 2), (9, 4)])
def test_the_first_sentences_are_read(tmp_path, count, read):
  translation_testing.write_texts(tmp_path)
  found = references.References.read(_data(tmp_path), count)
  assert found.sources == translation_testing.TEXTS[:read]
  assert found.targets == translation_testing.TRANSLATIONS[:read]


def test_without_all_files_there_are_none(tmp_path):
  translation_testing.write_texts(tmp_path)
  assert references.are_beside(_data(tmp_path))
  (tmp_path / SECOND).unlink()
  assert not references.are_beside(_data(tmp_path))
  assert references.References.read(_data(tmp_path), -1) is None


def test_texts_of_different_length_are_refused(tmp_path):
  translation_testing.write_texts(tmp_path)
  (tmp_path / SECOND).write_text("a\nb\n")
  refused = testing.refused(references.References.read, _data(tmp_path), -1)
  assert refused == (
    f"{tmp_path / SECOND} must have a line for each of {FIRST} beside it, 4. "
    "Received: 2"
  )


def test_texts_without_lines_are_refused(tmp_path):
  translation_testing.write_texts(tmp_path)
  (tmp_path / FIRST).write_text("")
  refused = testing.refused(references.References.read, _data(tmp_path), -1)
  message = f"{tmp_path / FIRST} must have at least one line. Received: none"
  assert refused == message
